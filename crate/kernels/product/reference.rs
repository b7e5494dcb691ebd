//! The mirrors of products: the truth in double precision, whatever the kernel's way to it.

use wide::f64x4;

use super::integers::Integers;
use super::{matmul, matvec};
use crate::kernels::cpu;
use crate::kernels::elementwise::{gelu, silu};
use crate::kernels::face::{Face, OnCpu};
use crate::kernels::job::{Job, View};
use crate::kernels::table::{
    matmul as matmul_any, matmul_dot, matmul_tile, matvec as matvec_any, matvec_dot, matvec_dot_post, matvec_few,
    matvec_post, matvec_rows, quantize,
};
use crate::kernels::weights::dequantized;
use crate::quant::TensorType;

impl OnCpu for matmul_any::Variant {
    const SIMD: Option<&'static cpu::Kernel> = Some(&matmul::KERNEL);

    fn mirror(job: &Job) {
        many::<Self>(job, job.variant::<Self>().format, None);
    }
}

impl OnCpu for matmul_tile::Variant {
    fn mirror(job: &Job) {
        many::<Self>(job, job.variant::<Self>().format, None);
    }
}

impl OnCpu for matmul_dot::Variant {
    fn mirror(job: &Job) {
        let variant: Self = job.variant();
        many::<Self>(job, variant.format.into(), Some(variant.planes.value()));
    }
}

impl OnCpu for matvec_any::Variant {
    const SIMD: Option<&'static cpu::Kernel> = Some(&matvec::KERNEL);

    fn mirror(job: &Job) {
        single(job, job.variant::<Self>().format, None);
    }
}

impl OnCpu for matvec_few::Variant {
    fn mirror(job: &Job) {
        single(job, job.variant::<Self>().format, None);
    }
}

impl OnCpu for matvec_rows::Variant {
    fn mirror(job: &Job) {
        single(job, job.variant::<Self>().format, None);
    }
}

impl OnCpu for matvec_dot::Variant {
    fn mirror(job: &Job) {
        let variant: Self = job.variant();
        single(job, variant.format.into(), Some(variant.planes.value()));
    }
}

impl OnCpu for matvec_post::Variant {
    fn mirror(job: &Job) {
        post(job, job.variant::<Self>().format, None);
    }
}

impl OnCpu for matvec_dot_post::Variant {
    fn mirror(job: &Job) {
        let variant: Self = job.variant();
        post(job, variant.format.into(), Some(variant.planes.value()));
    }
}

impl OnCpu for quantize::Variant {
    fn mirror(job: &Job) {
        let (p, b) = (job.params::<Self>(), job.bind::<Self>());
        let planes = job.variant::<Self>().planes.value();
        let blocks = p.k_blocks as usize * job.grid[1] as usize;
        let records = b.out.all_mut().chunks_exact_mut(Integers::words(planes));
        for (x, record) in b.x.all_floats().chunks_exact(32).zip(records).take(blocks) {
            Integers::new(x, planes).write(planes, record);
        }
    }
}

/// Many rows, whose activations are floats, or integers of so many planes.
fn many<V>(job: &Job, kind: TensorType, planes: Option<u32>)
where
    V: Face<Params = matmul_any::Params>,
{
    let (p, b) = (job.params::<V>(), job.bind::<matmul_any::Variant>());
    let (n_rows, k) = (p.n as usize, p.k_blocks as usize * 32);
    let w = dequantized(b.weights, kind, p.planes, n_rows * k);
    let x: Vec<f64> = match planes {
        Some(planes) => {
            let records = b.x.all().chunks_exact(Integers::words(planes)).take(p.m as usize * k / 32);
            records.flat_map(|record| Integers::read(planes, record).values()).collect()
        }
        None => b.x.floats(0..p.m as usize * k).iter().map(|&v| v as f64).collect(),
    };
    let (bias, out) = (b.bias.all_floats(), b.out.all_floats_mut());
    for m in 0..p.m as usize {
        let x = &x[m * k..][..k];
        for n in 0..n_rows {
            let dot: f64 = w[n * k..][..k].iter().zip(x).map(|(&a, b)| a as f64 * b).sum();
            let at = m * p.out_stride as usize + p.column as usize + n;
            let mut y = (dot * f64::from(p.scale)) as f32;
            if p.has_bias != 0 {
                y += bias[p.column as usize + n];
            }
            out[at] = if p.accumulate != 0 { out[at] + y } else { y };
        }
    }
}

/// Single rows with what is fused with them.
fn single(job: &Job, kind: TensorType, planes: Option<u32>) {
    let (p, b) = (job.params::<matvec_any::Variant>(), job.bind::<matvec_any::Variant>());
    let k = p.k_blocks as usize * 32;
    let row = |r: usize| if p.gather != 0 { b.rows.all()[r] as usize } else { r };
    let x: Vec<f32> = (0..p.m as usize).flat_map(|r| b.x.floats(row(r) * k..(row(r) + 1) * k)).copied().collect();
    let w = dequantized(b.weights, kind, p.planes, p.n as usize * k);
    product(p, &w, planes, &x, b.norm.all_floats(), b.bias.all_floats(), b.out.all_floats_mut());
}

/// Single rows to which a norm is added first.
fn post(job: &Job, kind: TensorType, planes: Option<u32>) {
    let (params, b) = (job.params::<matvec_post::Variant>(), job.bind::<matvec_post::Variant>());
    let k = params.k_blocks as usize * 32;
    let [x, p, post] = [b.x, b.p, b.post].map(View::all_floats);
    let x_next = b.x_next.floats_mut(0..params.m as usize * k);
    for (r, x_next) in x_next.chunks_exact_mut(k).enumerate() {
        let (x, p) = (&x[r * k..], &p[r * k..][..k]);
        // Rounded where the kernel rounds: an integer made of the sum may depend on its last bit.
        let scale = (1.0 / (mean_square(p) + params.eps as f64).sqrt()) as f32;
        for i in 0..k {
            x_next[i] = x[i] + p[i] * scale * post[i];
        }
    }
    let w = dequantized(b.weights, kind, params.planes, params.n as usize * k);
    let params = matvec_any::Params { has_bias: 0, accumulate: 0, ..params };
    product(params, &w, planes, x_next, b.norm.all_floats(), &[], b.out.all_floats_mut());
}

/// What is left once the input's rows are there.
fn product(
    p: matvec_any::Params,
    w: &[f32],
    planes: Option<u32>,
    x: &[f32],
    norm: &[f32],
    bias: &[f32],
    out: &mut [f32],
) {
    let (n, k) = (p.n as usize, p.k_blocks as usize * 32);
    for (r, x) in x.chunks_exact(k).enumerate() {
        let mut scale = f64::from(p.scale);
        let mut weighted = x.to_vec();
        if p.has_norm != 0 {
            scale /= (mean_square(x) + p.eps as f64).sqrt();
            weighted.iter_mut().zip(norm).for_each(|(v, weight)| *v *= weight);
        }
        let x: Vec<f64> = match planes {
            Some(planes) => weighted.chunks_exact(32).flat_map(|x| Integers::new(x, planes).values()).collect(),
            None => weighted.iter().map(|&v| v as f64).collect(),
        };
        let dot = |i: usize| scale * w[i * k..][..k].iter().zip(&x).map(|(&a, b)| a as f64 * b).sum::<f64>();
        for i in 0..if p.glu != 0 { n / 2 } else { n } {
            let mut y = dot(i);
            if p.glu != 0 {
                let gate = f64x4::splat(y);
                y = if p.glu == 2 { gelu(gate) } else { silu(gate) }.to_array()[0] * dot(n / 2 + i);
            }
            if p.has_bias != 0 {
                y += bias[p.column as usize + i] as f64;
            }
            let to = &mut out[r * p.out_stride as usize + p.column as usize + i];
            *to = if p.accumulate != 0 { *to + y as f32 } else { y as f32 };
        }
    }
}

fn mean_square(x: &[f32]) -> f64 {
    x.iter().map(|&v| v as f64 * v as f64).sum::<f64>() / x.len() as f64
}
