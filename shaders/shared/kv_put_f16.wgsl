#import shared/kv_f16
#import shared/kv_put_plain
