#import shared/kv_pack16
#import shared/kv_put_plain
