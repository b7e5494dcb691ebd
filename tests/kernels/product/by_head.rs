//! Each head's product with rows of its own.

use sotto::kernels::table::by_head;
use sotto::quant::TensorType;

use crate::F32;
use crate::case::{Case, Data, Runs, bits, close, floats};
use crate::gpu::Rig;
use crate::host::mirror;
use crate::random::{Random, part, poison};

#[derive(Clone, Copy)]
pub struct Shape {
    pub heads: u32,
    pub each: u32,
    first: u32,
    count: u32,
    pub k: u32,
    rows: u32,
}

/// All rows of each head and some, rows of one block and of more than there are threads.
pub const SHAPES: [Shape; 6] = [
    Shape { heads: 1, each: 4, first: 0, count: 4, k: 32, rows: 2 },
    Shape { heads: 3, each: 20, first: 8, count: 12, k: 96, rows: 3 },
    Shape { heads: 5, each: 48, first: 0, count: 20, k: 64, rows: 1 },
    Shape { heads: 2, each: 132, first: 4, count: 128, k: 512, rows: 2 },
    Shape { heads: 2, each: 72, first: 0, count: 72, k: 1120, rows: 1 },
    Shape { heads: 1, each: 12, first: 4, count: 8, k: 2336, rows: 2 },
];

impl Shape {
    /// Rows of a type are whole blocks of it.
    pub fn of(self, kind: TensorType) -> Shape {
        Shape { k: self.k.next_multiple_of(kind.block_len() as u32), ..self }
    }

    pub fn case(
        self,
        random: &mut Random,
        planes: [u32; 4],
        weights: Data,
        (format, turned): (TensorType, bool),
    ) -> Case {
        let Shape { heads, each, first, count, k, rows } = self;
        let (length, results) = if turned { (count, k) } else { (k, count) };
        // Behind each head's numbers, and behind each row's, is what nobody reads or writes.
        let (x_head, out_head) = (length + 4, results + 3);
        let (x_stride, out_stride) = (heads * x_head + 8, heads * out_head + 5);
        let mut x = poison((rows * x_stride) as usize);
        for row in x.chunks_exact_mut(x_stride as usize) {
            for head in row.chunks_exact_mut(x_head as usize).take(heads as usize) {
                head[..length as usize].iter_mut().for_each(|v| *v = random.unit().to_bits());
            }
        }
        let wide = if turned { k / 32 } else { count };
        Case::new(
            by_head::Variant { format, turned },
            format!("{rows} rows of {heads} heads, {count} of {each} rows of {k} from {first}"),
            by_head::Params {
                planes,
                k_blocks: k / 32,
                each,
                first,
                count,
                n_heads: heads,
                x_stride4: x_stride / 4,
                x_head4: x_head / 4,
                out_stride,
                out_head,
                scale: 0.3,
            },
            by_head::Bind { weights, x: Data::In(x), out: Data::Out(poison((rows * out_stride) as usize)) },
            [wide.div_ceil(by_head::THREADS), heads * rows],
            F32,
        )
    }
}

pub fn run(rig: &mut Rig, format: TensorType) {
    let mut random = Random::new(11);
    for turned in [false, true] {
        for shape in SHAPES.map(|shape| shape.of(format)) {
            let part = part(&mut random, format, (shape.heads * shape.each * shape.k) as usize, 300);
            rig.run(shape.case(&mut random, part.planes, Data::In(part.words), (format, turned)));
        }
    }
}

#[test]
fn heads_rows_by_hand() {
    // Two heads of two rows, of which the second is used; W is (h + 1) in its first column, 10 in its last.
    let mut w = [0.0; 4 * 32];
    for (row, w) in w.chunks_exact_mut(32).enumerate() {
        (w[0], w[31]) = ((row / 2 + 1) as f32, if row % 2 == 1 { 10.0 } else { f32::NAN });
    }
    let mut x = [0.0; 64];
    (x[0], x[31], x[32], x[63]) = (1.0, 2.0, 3.0, 4.0);
    let params = by_head::Params {
        k_blocks: 1,
        each: 2,
        first: 1,
        count: 1,
        n_heads: 2,
        x_stride4: 16,
        x_head4: 8,
        out_stride: 2,
        out_head: 1,
        scale: 0.5,
        ..Default::default()
    };
    let run = |turned, params: by_head::Params, x: &[f32], out: &[u32]| {
        let bind = by_head::Bind { weights: &bits(&w)[..], x: &bits(x), out };
        floats(&mirror(by_head::Variant { format: TensorType::F32, turned }, params, bind, [1, 2]).out).to_vec()
    };
    close(&run(false, params, &x, &[0; 2]), &[10.5, 23.0], 0.0);
    // The other way round a head's one number spreads over the row: 2 and 3, halved.
    let turned = by_head::Params { x_stride4: 2, x_head4: 1, out_stride: 64, out_head: 32, ..params };
    let out = run(true, turned, &[2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0], &[0; 64]);
    assert_eq!([out[0], out[1], out[31], out[32], out[63]], [1.0, 0.0, 10.0, 3.0, 15.0]);
}
