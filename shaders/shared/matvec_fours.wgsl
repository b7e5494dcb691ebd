// A thread sums four rows.
const THREADS: u32 = 128u;
alias Rows = vec4<f32>;
