#import shared/kv_f32
#import shared/kv_put_plain
