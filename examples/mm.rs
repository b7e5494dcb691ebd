use sotto::{gpu::*, memory::Memory, params::MatMul, quant::*, recording::Recording};
fn main() {
    let mut gpu = pollster::block_on(Gpu::request(GpuOptions::default())).unwrap();
    println!("{}", gpu.caps.adapter);
    for (kind, n, k) in
        [(TensorType::Q4_1, 1536u32, 576u32), (TensorType::Q8_0, 1536, 576), (TensorType::Q4_K, 2048, 2048)]
    {
        let (off, total) = plane_offsets(kind, n as u64 * k as u64);
        let w = gpu.alloc("w", total).unwrap();
        let x = gpu.alloc("x", 256 * k as u64 * 4).unwrap();
        let out = gpu.alloc("o", 256 * n as u64 * 4).unwrap();
        let none = gpu.alloc("o", 256).unwrap();
        let mut planes = [0u32; 4];
        for (p, o) in planes.iter_mut().zip(&off) {
            *p = (*o / 4) as u32;
        }
        for m in [1u32, 64] {
            let fmt = kind.name().to_lowercase();
            let (v, grid) = if m == 1 {
                (format!("matvec.{fmt}.{}", std::env::var("R").unwrap_or("tree".into())), [n.div_ceil(16), m])
            } else {
                (format!("matmul.{fmt}.{}", std::env::var("X").unwrap()), [n.div_ceil(256), m.div_ceil(16)])
            };
            let mut rec = Recording::default();
            rec.push(
                &v,
                MatMul { planes, n, k_blocks: k / 32, out_stride: n, column: 0, has_bias: 0, accumulate: 0, m, pad: 0 },
                &[w, w, x, none, out],
                grid,
            )
            .unwrap();
            let t = std::time::Instant::now();
            let p = gpu.prepare(&rec);
            gpu.run(&p);
            pollster::block_on(gpu.idle()).unwrap();
            let compile = t.elapsed();
            let mut best = f64::MAX;
            for _ in 0..5 {
                let t = std::time::Instant::now();
                gpu.run(&p);
                pollster::block_on(gpu.idle()).unwrap();
                best = best.min(t.elapsed().as_secs_f64());
            }
            println!(
                "{v} n={n} k={k} m={m}: {:.2} ms, {:.3} GMAC/s (first {compile:?})",
                best * 1e3,
                n as f64 * k as f64 * m as f64 / best / 1e9
            );
        }
    }
}
