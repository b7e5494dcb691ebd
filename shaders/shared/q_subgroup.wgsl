#import shared/reduce_subgroup
#import shared/q_direct
