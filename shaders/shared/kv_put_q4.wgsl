#import shared/kv_q4
#import shared/kv_put_blocks
