//! Tiny models as Hugging Face has them: the same numbers under other names, in safetensors, with `config.json` and
//! `tokenizer.json`. Tables of its own, so that none of the reader's is tested by itself.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json, json};

use super::gguf::{Gguf, Tensor, Value};

/// Files by their paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// (architecture, class, activation)
const CLASSES: [(&str, &str, &str); 12] = [
    ("llama", "LlamaForCausalLM", "silu"),
    ("qwen2", "Qwen2ForCausalLM", "silu"),
    ("qwen3", "Qwen3ForCausalLM", "silu"),
    ("gemma", "GemmaForCausalLM", "gelu_pytorch_tanh"),
    ("gemma2", "Gemma2ForCausalLM", "gelu_pytorch_tanh"),
    ("gemma3", "Gemma3ForCausalLM", "gelu_pytorch_tanh"),
    ("glm4", "Glm4ForCausalLM", "silu"),
    ("granite", "GraniteForCausalLM", "silu"),
    ("olmo2", "Olmo2ForCausalLM", "silu"),
    ("phi3", "Phi3ForCausalLM", "silu"),
    ("smollm3", "SmolLM3ForCausalLM", "silu"),
    ("starcoder2", "Starcoder2ForCausalLM", "gelu_pytorch_tanh"),
];

/// GGUF's, theirs.
type Rows = &'static [(&'static str, &'static str)];

const DECODER: Rows = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
];
const NORMS_AROUND: Rows = &[
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];
const GLM4: Rows = &[
    ("post_attention_norm", "post_self_attn_layernorm"),
    ("post_ffw_norm", "post_mlp_layernorm"),
    ("ffn_up", "mlp.gate_up_proj"),
];
const BERT: Rows = &[
    ("attn_q", "attention.self.query"),
    ("attn_k", "attention.self.key"),
    ("attn_v", "attention.self.value"),
    ("attn_output", "attention.output.dense"),
    ("attn_output_norm", "attention.output.LayerNorm"),
    ("ffn_up", "intermediate.dense"),
    ("ffn_down", "output.dense"),
    ("layer_output_norm", "output.LayerNorm"),
];
const ENDS: Rows = &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];
const BERT_ENDS: Rows = &[
    ("token_embd", "bert.embeddings.word_embeddings"),
    ("position_embd", "bert.embeddings.position_embeddings"),
    ("token_types", "bert.embeddings.token_type_embeddings"),
    ("token_embd_norm", "bert.embeddings.LayerNorm"),
];
const WORDS: Rows = &[
    ("cls", "cls.predictions.transform.dense"),
    ("cls.norm", "cls.predictions.transform.LayerNorm"),
    ("output", "cls.predictions"),
];
const LABELS: Rows = &[("cls", "bert.pooler.dense"), ("cls.output", "classifier")];

/// What of a file's keys config.json says, and by what name.
const KEYS: Rows = &[
    ("block_count", "num_hidden_layers"),
    ("context_length", "max_position_embeddings"),
    ("embedding_length", "hidden_size"),
    ("feed_forward_length", "intermediate_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.sliding_window", "sliding_window"),
    ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
    ("attention.scale", "attention_multiplier"),
    ("embedding_scale", "embedding_multiplier"),
    ("residual_scale", "residual_multiplier"),
    ("logit_scale", "logits_scaling"),
    ("rope.freq_base", "rope_theta"),
    ("rope.freq_base_swa", "rope_local_base_freq"),
];

fn row(rows: Rows, name: &str) -> Option<&'static str> {
    rows.iter().find(|row| row.0 == name).map(|row| row.1)
}

struct Writer<'a> {
    file: &'a Gguf,
    arch: &'a str,
    is_bert: bool,
}

/// A model's files, its weights in so many; a file's norms become what they are after a subtraction and an addition of 1, as
/// Gemma's go. Mixed sizes of layers cannot be written.
pub fn write(file: &mut Gguf, shards: usize) -> Files {
    let Some(Value::Str(arch)) = get(file, "general.architecture").cloned() else { panic!("no architecture") };
    let less = arch.starts_with("gemma");
    let norms = file.tensors.iter_mut().filter(|tensor| less && tensor.name.ends_with("norm.weight"));
    norms.for_each(|tensor| tensor.data = added(&added(&tensor.data, -1.0), 1.0));
    let writer = Writer { file, arch: &arch, is_bert: arch == "bert" };
    let mut files = Files::new();
    let mut put = |name: &str, json: Json| drop(files.insert(name.into(), json.to_string().into_bytes()));
    put("config.json", writer.config());
    put("tokenizer.json", writer.tokenizer());
    put("tokenizer_config.json", writer.tokenizer_config());
    if let Some(Value::U32(way)) = get(file, &format!("{arch}.pooling_type")) {
        put(
            "1_Pooling/config.json",
            json!({ "pooling_mode_mean_tokens": *way == 1, "pooling_mode_cls_token": *way == 2 }),
        );
    }
    if let Some(Value::Str(template)) = get(file, "tokenizer.chat_template") {
        files.insert("chat_template.jinja".into(), template.clone().into_bytes());
    }
    let mut tensors: Vec<(String, Tensor)> =
        file.tensors.iter().filter_map(|tensor| Some((writer.name(&tensor.name)?, writer.tensor(tensor)))).collect();
    // In an order of their own, as files have them.
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let each = tensors.len().div_ceil(shards);
    let mut map = Map::new();
    for (index, tensors) in tensors.chunks(each).enumerate() {
        let name = match shards {
            1 => "model.safetensors".to_string(),
            _ => format!("model-{:05}-of-{shards:05}.safetensors", index + 1),
        };
        tensors.iter().for_each(|(tensor, _)| drop(map.insert(tensor.clone(), json!(name))));
        files.insert(name, safetensors(tensors));
    }
    if shards > 1 {
        let index = json!({ "metadata": {}, "weight_map": map });
        files.insert("model.safetensors.index.json".into(), index.to_string().into_bytes());
    }
    files
}

fn get<'a>(file: &'a Gguf, key: &str) -> Option<&'a Value> {
    file.metadata.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn floats(data: &[u8]) -> impl Iterator<Item = f32> {
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn added(data: &[u8], number: f32) -> Vec<u8> {
    floats(data).flat_map(|x| (x + number).to_le_bytes()).collect()
}

/// The file: its header's length, its header, its numbers.
pub fn safetensors(tensors: &[(String, Tensor)]) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut at = 0;
    for (name, tensor) in tensors {
        let dtype = match tensor.kind_id {
            0 => "F32",
            1 => "F16",
            _ => "BF16",
        };
        let shape: Vec<u64> = tensor.shape.iter().rev().copied().collect();
        let end = at + tensor.data.len();
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [at, end] }));
        at = end;
    }
    let header = Json::Object(header).to_string();
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.bytes());
    tensors.iter().for_each(|(_, tensor)| out.extend(&tensor.data));
    out
}

impl Writer<'_> {
    fn key(&self, key: &str) -> Option<&Value> {
        get(self.file, &format!("{}.{key}", self.arch))
    }

    fn has(&self, tensor: &str) -> bool {
        self.file.tensors.iter().any(|known| known.name == tensor)
    }

    fn class(&self) -> (&'static str, &'static str) {
        if self.is_bert {
            let class = match (self.has("cls.output.weight"), self.has("cls.norm.weight")) {
                (true, _) => "BertForSequenceClassification",
                (_, true) => "BertForMaskedLM",
                _ => "BertModel",
            };
            return (class, "gelu");
        }
        let class = CLASSES.iter().find(|class| class.0 == self.arch).expect("a class of the architecture");
        (class.1, class.2)
    }

    fn config(&self) -> Json {
        let (class, act) = self.class();
        let mut config = Map::new();
        config.insert("architectures".into(), json!([class]));
        config.insert("hidden_act".into(), json!(act));
        for (key, name) in KEYS {
            let value = match self.key(key) {
                Some(Value::U32(number)) => json!(number),
                Some(Value::F32(number)) => json!(f64::from(*number)),
                _ => continue,
            };
            config.insert((*name).into(), value);
        }
        if let Some(Value::F32(eps)) = self.key("attention.layer_norm_epsilon") {
            let name = if self.is_bert { "layer_norm_eps" } else { "norm_epsilon" };
            config.insert(name.into(), json!(f64::from(*eps)));
        }
        if let (Some(Value::U32(rotated)), "phi3" | "glm4") = (self.key("rope.dimension_count"), self.arch) {
            config.insert("partial_rotary_factor".into(), json!(f64::from(*rotated) / self.head_dim() as f64));
        }
        if let (Some(Value::Str(kind)), Some(Value::F32(factor))) =
            (self.key("rope.scaling.type"), self.key("rope.scaling.factor"))
        {
            config.insert("rope_scaling".into(), json!({ "rope_type": kind, "factor": f64::from(*factor) }));
        }
        let factors = |name: &str| {
            let tensor = self.file.tensors.iter().find(|tensor| tensor.name == name);
            tensor.map(|tensor| floats(&tensor.data).map(f64::from).collect::<Vec<_>>())
        };
        if let (Some(long), Some(short)) = (factors("rope_factors_long.weight"), factors("rope_factors_short.weight")) {
            let number = |key| match self.key(key) {
                Some(Value::U32(number)) => f64::from(*number),
                Some(Value::F32(number)) => f64::from(*number),
                _ => 1.0,
            };
            config.insert(
                "rope_scaling".into(),
                json!({ "type": "longrope", "long_factor": long, "short_factor": short,
                    "attention_factor": number("rope.scaling.attn_factor") }),
            );
            config.insert(
                "original_max_position_embeddings".into(),
                json!(number("rope.scaling.original_context_length") as u64),
            );
        }
        if self.is_bert {
            config.insert("type_vocab_size".into(), json!(2));
            let scores = self.file.tensors.iter().find(|tensor| tensor.name == "cls.output.weight");
            let labels: Map<String, Json> = (0..scores.map_or(0, |scores| scores.shape[1]))
                .map(|i| (i.to_string(), json!(format!("LABEL_{i}"))))
                .collect();
            if !labels.is_empty() {
                config.insert("id2label".into(), labels.into());
            }
        } else {
            config.insert("tie_word_embeddings".into(), json!(!self.has("output.weight")));
        }
        Json::Object(config)
    }

    /// `None` for what is no tensor there.
    fn name(&self, name: &str) -> Option<String> {
        if name.starts_with("rope_f") {
            return None;
        }
        let (module, part) = name.rsplit_once('.')?;
        let module = match module.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
            Some((layer, of_layer)) if self.is_bert => {
                format!("bert.encoder.layer.{layer}.{}", row(BERT, of_layer)?)
            }
            Some((layer, of_layer)) => format!("model.layers.{layer}.{}", self.of_layer(of_layer)?),
            None if self.is_bert => {
                let heads = if self.has("cls.output.weight") { LABELS } else { WORDS };
                row(BERT_ENDS, module).or_else(|| row(heads, module))?.to_string()
            }
            None => row(ENDS, module)?.to_string(),
        };
        Some(format!("{module}.{part}"))
    }

    fn of_layer(&self, name: &str) -> Option<&'static str> {
        let around = self.has("blk.0.post_ffw_norm.weight");
        match (self.arch, name) {
            ("glm4", _) => row(GLM4, name).or_else(|| row(DECODER, name)),
            ("phi3", "ffn_up") => Some("mlp.gate_up_proj"),
            ("starcoder2", "ffn_up") => Some("mlp.c_fc"),
            ("starcoder2", "ffn_down") => Some("mlp.c_proj"),
            _ => row(NORMS_AROUND, name).filter(|_| around).or_else(|| row(DECODER, name)),
        }
    }

    /// As their files have it: halves in place of pairs, norms by one less.
    fn tensor(&self, tensor: &Tensor) -> Tensor {
        let mut theirs = tensor.clone();
        if self.arch.starts_with("gemma") && tensor.name.ends_with("norm.weight") {
            theirs.data = added(&tensor.data, -1.0);
        }
        let is_rotated = tensor.name.contains(".attn_q.") || tensor.name.contains(".attn_k.");
        if matches!(self.arch, "llama" | "granite" | "smollm3") && is_rotated {
            theirs.data = halved(tensor, self.head_dim());
        }
        theirs
    }

    fn head_dim(&self) -> usize {
        let number = |key| match self.key(key) {
            Some(Value::U32(number)) => Some(*number as usize),
            _ => None,
        };
        number("attention.key_length")
            .or_else(|| Some(number("embedding_length")? / number("attention.head_count")?))
            .expect("the length of a head")
    }

    fn tokenizer(&self) -> Json {
        let text = |key: &str| match get(self.file, &format!("tokenizer.ggml.{key}")) {
            Some(Value::Str(text)) => text.as_str(),
            _ => "",
        };
        let strings = |key: &str| match get(self.file, &format!("tokenizer.ggml.{key}")) {
            Some(Value::Strings(list)) => list.clone(),
            _ => Vec::new(),
        };
        let Some(Value::Ints(kinds)) = get(self.file, "tokenizer.ggml.token_type") else { panic!("no kinds") };
        let tokens = strings("tokens");
        let prefix = matches!(get(self.file, "tokenizer.ggml.add_space_prefix"), Some(Value::Bool(true)));
        let begins = matches!(get(self.file, "tokenizer.ggml.add_bos_token"), Some(Value::Bool(true)));
        let vocab = |texts: &[String]| -> Json {
            texts.iter().enumerate().map(|(id, text)| (text.clone(), json!(id))).collect::<Map<_, _>>().into()
        };
        let mut normalizer = Json::Null;
        let mut pre_tokenizer = Json::Null;
        let (texts, model) = match text("model") {
            "gpt2" => {
                pre_tokenizer = cuts(text("pre"));
                let merges = strings("merges");
                let ignore = text("pre") == "llama-bpe";
                let model =
                    json!({ "type": "BPE", "vocab": vocab(&tokens), "merges": merges, "ignore_merges": ignore });
                (tokens, model)
            }
            "llama" => {
                let mut steps = vec![json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" })];
                if prefix {
                    steps.insert(0, json!({ "type": "Prepend", "prepend": "▁" }));
                }
                normalizer = json!({ "type": "Sequence", "normalizers": steps });
                let merges = self.merges(&tokens);
                let model = json!({ "type": "BPE", "vocab": vocab(&tokens), "merges": merges, "byte_fallback": true });
                (tokens, model)
            }
            _ => {
                pre_tokenizer = json!({ "type": "BertPreTokenizer" });
                normalizer = json!({ "type": "BertNormalizer", "lowercase": true, "strip_accents": null });
                let whole = |text: &str| text.starts_with('[') && text.ends_with(']');
                let theirs = |text: &String| match text.strip_prefix('▁') {
                    Some(begins) => begins.to_string(),
                    None if whole(text) => text.clone(),
                    None => format!("##{text}"),
                };
                let texts: Vec<String> = tokens.iter().map(theirs).collect();
                let model = json!({ "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                    "vocab": vocab(&texts) });
                (texts, model)
            }
        };
        let added: Vec<Json> = (texts.iter().zip(kinds).enumerate())
            .filter(|(_, (_, kind))| (2..=4).contains(*kind))
            .map(|(id, (text, kind))| json!({ "id": id, "content": text, "special": *kind != 4 }))
            .collect();
        let token = |text: &str| json!({ "SpecialToken": { "id": text, "type_id": 0 } });
        let piece = |id: &str, kind: u32| json!({ "Sequence": { "id": id, "type_id": kind } });
        let (single, pair) = if self.is_bert {
            let [begin, end] = [token("[CLS]"), token("[SEP]")];
            let single = vec![begin.clone(), piece("A", 0), end.clone()];
            (single, vec![begin, piece("A", 0), end.clone(), piece("B", 1), end])
        } else {
            let begin = match get(self.file, "tokenizer.ggml.bos_token_id") {
                Some(Value::U32(id)) if begins => vec![token(&texts[*id as usize])],
                _ => Vec::new(),
            };
            ([begin.clone(), vec![piece("A", 0)]].concat(), [begin, vec![piece("A", 0), piece("B", 0)]].concat())
        };
        json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": { "type": "TemplateProcessing", "single": single, "pair": pair },
            "model": model,
        })
    }

    /// Every way to make a token of two others, the best tokens first.
    fn merges(&self, tokens: &[String]) -> Vec<[String; 2]> {
        let Some(Value::Floats(scores)) = get(self.file, "tokenizer.ggml.scores") else { panic!("no scores") };
        let Some(Value::Ints(kinds)) = get(self.file, "tokenizer.ggml.token_type") else { panic!("no kinds") };
        let known: HashMap<&str, usize> = tokens.iter().enumerate().map(|(id, text)| (text.as_str(), id)).collect();
        let mut order: Vec<usize> = (0..tokens.len()).filter(|id| kinds[*id] == 1).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let mut merges = Vec::new();
        for id in order {
            let text = &tokens[id];
            for (at, _) in text.char_indices().skip(1) {
                let (left, right) = text.split_at(at);
                if known.contains_key(left) && known.contains_key(right) {
                    merges.push([left.to_string(), right.to_string()]);
                }
            }
        }
        merges
    }

    fn tokenizer_config(&self) -> Json {
        let mut config = Map::new();
        let Some(Value::Strings(tokens)) = get(self.file, "tokenizer.ggml.tokens") else { panic!("no tokens") };
        for (key, role) in [("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad"), ("mask", "mask")] {
            if let Some(Value::U32(id)) = get(self.file, &format!("tokenizer.ggml.{key}_token_id")) {
                let text = &tokens[*id as usize];
                // Either way is found in files.
                let token = if role == "bos" { json!({ "content": text, "lstrip": false }) } else { json!(text) };
                config.insert(format!("{role}_token"), token);
            }
        }
        Json::Object(config)
    }
}

fn halved(tensor: &Tensor, head: usize) -> Vec<u8> {
    let rows = if tensor.shape.len() > 1 { tensor.shape[1] } else { tensor.shape[0] } as usize;
    let row = tensor.data.len() / rows;
    let from = |at: usize| {
        let (begin, within) = (at / head * head, at % head);
        begin + 2 * (within % (head / 2)) + within / (head / 2)
    };
    (0..rows).flat_map(|at| tensor.data[from(at) * row..(from(at) + 1) * row].to_vec()).collect()
}

/// As tokenizer.json of the models with these names have it.
fn cuts(pre: &str) -> Json {
    let letters = |regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "use_regex": regex });
    let split = |regex: &str| {
        let split = json!({ "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false });
        json!({ "type": "Sequence", "pretokenizers": [split, letters(false)] })
    };
    match pre {
        "smollm" => {
            let digits = json!({ "type": "Digits", "individual_digits": true });
            json!({ "type": "Sequence", "pretokenizers": [digits, letters(true)] })
        }
        "qwen2" => split(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        "llama-bpe" => split(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        _ => letters(true),
    }
}
