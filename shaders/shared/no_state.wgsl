// What a sequence without a token reads: its state is zero.
const NONE: u32 = 0xffffffffu;
