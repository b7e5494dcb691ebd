#import shared/reduce_tree
#import shared/q_direct
