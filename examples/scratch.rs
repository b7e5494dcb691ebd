use sotto::{batch::*, config::ModelConfig, forward::*, gguf::HeaderParser, gpu::*, kv_cache::KvType, memory::Memory};
use std::io::Read;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&args[2]).unwrap()).unwrap();
    let names: Vec<&str> = args[3].split(',').collect();
    let mut gpu = pollster::block_on(Gpu::request(GpuOptions::default())).unwrap();
    println!("{:?}", gpu.caps);
    let t = std::time::Instant::now();
    let mut file = std::fs::File::open(&args[1]).unwrap();
    let mut parser = HeaderParser::new();
    let mut buf = vec![0u8; 1 << 20];
    let mut state: Option<(Model, sotto::upload::Upload)> = None;
    loop {
        let n = file.read(&mut buf).unwrap();
        if n == 0 {
            break;
        }
        let mut bytes = &buf[..n];
        if state.is_none() {
            if let Some((header, at)) = parser.push(bytes).unwrap() {
                let config = ModelConfig::from_header(&header).unwrap();
                println!("{config:?}");
                let sizes = Sizes { context: 2048, n_sequences: 1, max_rows: 64, max_outputs: 64, kv: KvType::F16 };
                let choice = Choice { reduce: "tree", x: Box::leak(std::env::var("X").unwrap().into_boxed_str()) };
                let (m, mut u) = Model::place(&header, config, sizes, choice, &mut gpu).unwrap();
                bytes = &bytes[at..];
                u.push(bytes, &mut gpu);
                state = Some((m, u));
            }
            continue;
        }
        state.as_mut().unwrap().1.push(bytes, &mut gpu);
        pollster::block_on(gpu.idle()).unwrap();
    }
    let (model, upload) = state.unwrap();
    upload.finish(0).unwrap();
    model.finish(&upload, &mut gpu);
    pollster::block_on(gpu.idle()).unwrap();
    println!("loaded {:?}", t.elapsed());
    for p in golden.as_array().unwrap() {
        if !names.contains(&p["name"].as_str().unwrap()) {
            continue;
        }
        let ids: Vec<u32> = p["token_ids"].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect();
        let t = std::time::Instant::now();
        let mut nll = 0.0;
        let mut last = vec![];
        for (ci, chunk) in ids.chunks(64).enumerate() {
            let rows: Vec<Row> = chunk
                .iter()
                .enumerate()
                .map(|(i, &token)| Row { token, position: (ci * 64 + i) as u32, sequence: 0, logits: true })
                .collect();
            let b = Batch { rows, prefill: true };
            let rec = model.record(b.rows.len() as u32, b.rows.len() as u32, true).unwrap();
            let prep = gpu.prepare(&rec);
            gpu.write(model.batch_buffer(), 0, bytemuck::cast_slice(&b.words(2048)));
            gpu.write(model.outputs_buffer(), 0, bytemuck::cast_slice(&b.outputs()));
            gpu.run(&prep);
            let v = model.config.n_vocab as usize;
            let bytes = pollster::block_on(gpu.read(model.logits_buffer(), (chunk.len() * v * 4) as u64)).unwrap();
            let logits: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            for i in 0..chunk.len() {
                let l = &logits[i * v..(i + 1) * v];
                let at = ci * 64 + i;
                if at + 1 < ids.len() {
                    let m = l.iter().cloned().fold(f32::MIN, f32::max);
                    let s: f64 = l.iter().map(|x| ((x - m) as f64).exp()).sum();
                    nll += s.ln() + m as f64 - l[ids[at + 1] as usize] as f64;
                }
                last = l.to_vec();
            }
        }
        let nll = nll / (ids.len() - 1) as f64;
        let top = p["top10"].as_array().unwrap();
        let worst = top
            .iter()
            .map(|t| (last[t[0].as_u64().unwrap() as usize] as f64 - t[1].as_f64().unwrap()).abs())
            .fold(0.0, f64::max);
        println!(
            "{} n={} nll {nll:.6} golden {} worst top10 {worst:.4} in {:?}",
            p["name"],
            ids.len(),
            p["mean_nll"],
            t.elapsed()
        );
        // decode speed
        let rec = model.record(1, 1, false).unwrap();
        let prep = gpu.prepare(&rec);
        let t = std::time::Instant::now();
        for i in 0..8 {
            let b = Batch {
                rows: vec![Row { token: ids[0], position: ids.len() as u32 + i, sequence: 0, logits: true }],
                prefill: false,
            };
            gpu.write(model.batch_buffer(), 0, bytemuck::cast_slice(&b.words(2048)));
            gpu.write(model.outputs_buffer(), 0, bytemuck::cast_slice(&b.outputs()));
            gpu.run(&prep);
            pollster::block_on(gpu.read(model.logits_buffer(), 4096)).unwrap();
        }
        println!("decode {:?}/token, {} dispatches", t.elapsed() / 8, prep.len());
        let rec = model.record(64, 0, true).unwrap();
        let prep = gpu.prepare(&rec);
        let t = std::time::Instant::now();
        for _ in 0..3 {
            gpu.run(&prep);
            pollster::block_on(gpu.idle()).unwrap();
        }
        println!("prefill {:?}/token", t.elapsed() / 3 / 64);
    }
}
