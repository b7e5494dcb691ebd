#requires f16
// A weight tile in shared memory at half the bytes; weights are small, products and sums stay f32.
alias Tile = vec4<f16>;
