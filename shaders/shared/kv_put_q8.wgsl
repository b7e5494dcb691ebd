#import shared/kv_q8
#import shared/kv_put_blocks
