// A weight tile in shared memory at full precision.
alias Tile = vec4<f32>;
