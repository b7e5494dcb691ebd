//! Weights that are quantised already: what `config.json` says of them, and the tensors that a matrix is made of.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::formats::{FORMATS, Format, Holds, UNUSED};
use super::head::Entry;
use crate::bail;
use crate::base::error::Result;
use crate::file::packed::{Codes, Packed, Plane, Side, Words, Zero};
use crate::file::quoted;

/// Where `config.json` says it.
const MEMBERS: [&str; 2] = ["quantization_config", "quantization"];
/// Columns that have a scale together.
const GROUPS: [u64; 7] = [16, 32, 64, 128, 256, 512, 1024];
/// Bytes of a matrix that lies column by column, at most: it is in memory whole.
const MOST_TURNED: u64 = 1 << 29;

/// How matrices are quantised.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scheme {
    bits: usize,
    /// Columns of a group; without them, and without `block`, all of a row, or of the matrix.
    group: Option<usize>,
    /// Rows and columns of a block.
    block: Option<(usize, usize)>,
    /// Whether zeros are in the middle of the codes.
    is_symmetric: bool,
    /// Whether columns of a group are apart.
    is_mixed: bool,
}

/// What `config.json` says of quantised weights.
pub struct Quantized {
    format: &'static Format,
    scheme: Scheme,
    /// Of modules that have another.
    others: HashMap<String, Scheme>,
}

/// All tensors of a repository: each with where its file begins.
pub type Entries<'a> = HashMap<&'a str, (u64, &'a Entry)>;

impl Quantized {
    /// `None` where weights are floats. Errors: `UnsupportedTensorType`.
    pub fn read(members: &Map<String, Json>) -> Result<Option<Quantized>> {
        let Some(said) = MEMBERS.iter().find_map(|member| members.get(*member).filter(|value| value.is_object()))
        else {
            return Ok(None);
        };
        let method = said["quant_method"].as_str().unwrap_or("mlx");
        let is = |format: &&Format| {
            let (member, value) = format.kind;
            format.method == method
                && match &said[member] {
                    Json::Null => format.usual,
                    kind => kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case(value)),
                }
        };
        let Some(format) = FORMATS.iter().find(is) else {
            let of = FORMATS.iter().filter(|format| format.method == method).map(|format| format.kind);
            let kinds: Vec<String> = of.map(|(member, value)| format!("{member} {}", quoted(value))).collect();
            match kinds.is_empty() {
                true => bail!(
                    UnsupportedTensorType,
                    "The repository's weights are quantised by {}, which is not read; take the repository of the floats, or a GGUF file",
                    quoted(method)
                ),
                false => bail!(
                    UnsupportedTensorType,
                    "The repository's weights are quantised by {} in a way that is not read; these are: {}; take the repository of the floats, or a GGUF file",
                    quoted(method),
                    kinds.join(", ")
                ),
            }
        };
        let scheme = Scheme::read(format, weights(said)?)?;
        let objects =
            said.as_object().into_iter().flatten().filter(|(name, value)| name.contains('.') && value.is_object());
        let others = objects.map(|(name, value)| Ok((name.clone(), Scheme::read(format, value)?)));
        Ok(Some(Quantized { format, scheme, others: others.collect::<Result<_>>()? }))
    }

    /// The module whose codes a tensor has.
    pub fn module<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        entry.name.strip_suffix(self.format.codes).filter(|_| entry.dtype == self.format.holds.dtype())
    }

    /// Whether a tensor is of no use by itself: beside codes that are there, or of activations.
    pub fn is_beside(&self, name: &str, entries: &Entries) -> bool {
        let Format { codes, scales, zeros, least, order, .. } = self.format;
        let zeros = zeros.map(|(end, _)| end);
        let ends = scales.iter().copied().chain([zeros, *least, *order].into_iter().flatten()).chain(UNUSED);
        let modules = ends.filter_map(|end| name.strip_suffix(end));
        modules.into_iter().any(|module| {
            UNUSED.iter().any(|end| name.ends_with(end)) || entries.contains_key(format!("{module}{codes}").as_str())
        })
    }

    /// The matrix of a module, whose codes these are. Errors: `MissingTensor`, `BadShape`, `UnsupportedTensorType`.
    pub fn matrix(&self, module: &str, codes: &Entry, entries: &Entries) -> Result<Packed> {
        let format = self.format;
        let Scheme { bits, group, block, is_symmetric, is_mixed } = *self.others.get(module).unwrap_or(&self.scheme);
        let wrong = |entry: &Entry| {
            crate::base::error::Error::new(
                crate::base::error::Code::BadShape,
                format!(
                    "The tensor {} has the shape {:?} and the type {}, which is not what {bits} bits and its groups come to; take another repository of the model",
                    quoted(&entry.name),
                    entry.shape,
                    quoted(&entry.dtype)
                ),
            )
        };
        let side = |end: &str, bytes: u64, elements: u64| -> Result<(Side, &Entry)> {
            let name = format!("{module}{end}");
            let Some((start, entry)) = entries.get(name.as_str()) else {
                bail!(
                    MissingTensor,
                    "The repository has codes of {} and no tensor {end} with them; take another repository of the model",
                    quoted(module)
                )
            };
            let bytes = entry.float().map_or(bytes, |kind| kind.block_bytes() as u64);
            if entry.bytes != elements * bytes {
                return Err(wrong(entry));
            }
            Ok((Side { offset: start + entry.offset, bytes: entry.bytes, data: Vec::new() }, entry))
        };
        let [high, wide] = codes.shape[..] else { return Err(wrong(codes)) };
        let (held, rows, columns) = match format.holds {
            Holds::Words(_, lay) => {
                let [rows, columns] = if lay.by_columns { [wide, high] } else { [high, wide] };
                let each = 32 / bits as u64;
                let (rows, columns) = if lay.down { (rows * each, columns) } else { (rows, columns * each) };
                let [rows, columns] = small(rows, columns).ok_or_else(|| wrong(codes))?;
                (Codes::Words(Words { lay, bits, rows, columns }), rows, columns)
            }
            holds => {
                let [rows, columns] = small(high, wide).ok_or_else(|| wrong(codes))?;
                (if matches!(holds, Holds::Bytes) { Codes::Bytes } else { Codes::Floats }, rows, columns)
            }
        };
        let bytes = if matches!(held, Codes::Words(_)) { 4 } else { 1 };
        let is_turned = matches!(held, Codes::Words(words) if words.lay.by_columns);
        if high.checked_mul(wide).and_then(|count| count.checked_mul(bytes)) != Some(codes.bytes)
            || is_turned && codes.bytes > MOST_TURNED
        {
            return Err(wrong(codes));
        }
        let end = format.scales.iter().find(|end| entries.contains_key(format!("{module}{end}").as_str()));
        let end = end.unwrap_or(&format.scales[0]);
        let there = entries.get(format!("{module}{end}").as_str()).map(|(_, entry)| *entry);
        let is_one = there.is_some_and(|entry| entry.shape.iter().all(|size| *size == 1));
        let tile = match (block, group) {
            (Some(block), _) => block,
            (None, Some(group)) => (1, group.min(columns)),
            (None, None) => (if is_one { rows } else { 1 }, columns),
        };
        let size = (rows.div_ceil(tile.0), columns.div_ceil(tile.1));
        let plane = |end: &str| -> Result<Plane> {
            let (side, entry) = side(end, 0, size.0 as u64 * size.1 as u64)?;
            let long = |sizes: [u64; 2]| sizes.into_iter().filter(|size| *size != 1).collect::<Vec<_>>();
            let (high, wide) = (size.0 as u64, size.1 as u64);
            let want = long(if format.by_columns { [wide, high] } else { [high, wide] });
            let found: Vec<u64> = entry.shape.iter().copied().filter(|size| *size != 1).collect();
            match entry.float().filter(|_| found == want) {
                Some(kind) => Ok(Plane { side, kind, by_columns: format.by_columns, size }),
                None => Err(wrong(entry)),
            }
        };
        let zero = match format.zeros {
            // The other formats write zeros that are in the middle, too.
            Some((end, lay)) if !is_symmetric || format.method != "compressed-tensors" => {
                let words = Words { lay, bits, rows, columns: size.1 };
                let shape = words.shape();
                let (side, entry) = side(end, 4, shape[0] * shape[1])?;
                if entry.shape != shape || entry.dtype != format.holds.dtype() {
                    return Err(wrong(entry));
                }
                let more = if format.one_less { u32::MAX / ((1 << bits) - 1) } else { 0 };
                if is_symmetric && format.method == "gptq" {
                    Zero::Middle { side, words, more }
                } else {
                    Zero::Each { side, words, more }
                }
            }
            Some(_) => Zero::Fixed(1 << (bits - 1)),
            None => Zero::Fixed(0),
        };
        let order = format.order.filter(|end| entries.contains_key(format!("{module}{end}").as_str()));
        let order = order.map(|end| {
            let (side, entry) = side(end, 4, columns as u64)?;
            if entry.dtype == "I32" { Ok(side) } else { Err(wrong(entry)) }
        });
        let order = order.transpose()?;
        let (scales, least) = (plane(end)?, format.least.map(plane).transpose()?);
        Ok(Packed { codes: held, rows, columns, tile, scales, zero, least, order, is_mixed })
    }
}

/// Sizes that memory has addresses for.
fn small(rows: u64, columns: u64) -> Option<[usize; 2]> {
    let fits = |size: &u64| (1..=1 << 24).contains(size);
    Some([rows, columns]).filter(|sizes| sizes.iter().all(fits)).map(|sizes| sizes.map(|size| size as usize))
}

/// Where bits and groups are said: of compressed-tensors, once for each list of modules.
fn weights(said: &Json) -> Result<&Json> {
    let Some(groups) = said["config_groups"].as_object() else { return Ok(said) };
    let mut weights = groups.values().map(|group| &group["weights"]).filter(|weights| weights.is_object());
    let Some(first) = weights.next() else { return Ok(said) };
    let differ = ["num_bits", "group_size", "symmetric", "type", "strategy"];
    if weights.any(|other| differ.iter().any(|member| first[*member] != other[*member])) {
        bail!(
            UnsupportedTensorType,
            "The repository's config.json has several kinds of quantised weights, of which one is read; take the repository of the floats, or a GGUF file"
        );
    }
    Ok(first)
}

impl Scheme {
    fn read(format: &Format, said: &Json) -> Result<Scheme> {
        let number = |names: &[&str]| names.iter().find_map(|name| said[*name].as_i64());
        let bits = number(&["bits", "num_bits", "w_bit"]);
        let bits = bits.or(if let [only] = format.bits { Some(*only as i64) } else { None });
        let Some(bits) = bits.filter(|bits| format.bits.iter().any(|known| *known as i64 == *bits)) else {
            bail!(
                UnsupportedTensorType,
                "The repository's weights have {} bits by {}, of which {:?} are read; take the repository of the floats, or a GGUF file",
                bits.map_or("an unknown count of".into(), |bits| bits.to_string()),
                quoted(format.method),
                format.bits
            )
        };
        let group = number(&["group_size", "q_group_size"]).filter(|group| *group != -1);
        let group = match group.map(u64::try_from) {
            None => None,
            Some(Ok(group)) if GROUPS.contains(&group) => Some(group as usize),
            Some(_) => bail!(
                UnsupportedTensorType,
                "The repository's weights are in groups of {}, of which {GROUPS:?} are read; take the repository of the floats, or a GGUF file",
                group.unwrap_or_default()
            ),
        };
        let block = ["weight_block_size", "block_structure"].iter().find_map(|name| said[*name].as_array());
        let block = match block.map(Vec::as_slice) {
            None => None,
            Some([high, wide]) => match [high, wide].map(|size| size.as_u64().filter(|size| (1..=4096).contains(size)))
            {
                [Some(high), Some(wide)] => Some((high as usize, wide as usize)),
                _ => return Err(blocks()),
            },
            Some(_) => return Err(blocks()),
        };
        let is_symmetric = ["sym", "symmetric"].iter().find_map(|name| said[*name].as_bool()).unwrap_or(true);
        if !is_symmetric && format.zeros.is_none() && format.least.is_none() {
            bail!(
                UnsupportedTensorType,
                "The repository's weights of 8 bits have zeros, which are not read; take the repository of the floats, or a GGUF file"
            );
        }
        let is_mixed =
            said["desc_act"].as_bool() == Some(true) || matches!(said["actorder"].as_str(), Some("group" | "dynamic"));
        Ok(Scheme { bits: bits as usize, group, block, is_symmetric, is_mixed })
    }
}

fn blocks() -> crate::base::error::Error {
    crate::base::error::Error::new(
        crate::base::error::Code::UnsupportedTensorType,
        "The repository's weights have blocks that are not two whole numbers from 1 to 4096; take another repository of the model",
    )
}
