//! A model in several files, as `gguf-split` makes them: each has a header and tensors of its own, the first has the
//! metadata of all.

use super::Header;
use crate::bail;
use crate::base::error::Result;

/// The headers of a model's files, joined.
#[derive(Clone, Debug)]
pub struct Joined {
    /// As of one file that has all of them behind each other.
    pub header: Header,
    /// The bytes of each that are the model's; what follows in a file is not.
    pub bytes: Vec<u64>,
}

/// Which part a header is of, counted from 1, and of how many.
fn part(header: &Header) -> Result<(u32, u32)> {
    let number = |key| header.catalog.metadata.u32(key);
    Ok((number("split.no")?.unwrap_or(0).saturating_add(1), number("split.count")?.unwrap_or(0).max(1)))
}

impl Joined {
    /// Of all parts, in order. `MissingPart` names the one that is not there, or is another's.
    pub fn new(mut headers: Vec<Header>) -> Result<Joined> {
        let given = headers.len() as u32;
        let mut found = 0;
        for (header, wanted) in headers.iter().zip(1..) {
            let (no, count) = part(header)?;
            if no != wanted || count != part(&headers[0])?.1 {
                bail!(
                    MissingPart,
                    "Part {wanted} of the model is missing: what was given for it is part {no} of {count}; load the first, or all in their order."
                );
            }
            found += header.catalog.tensors.len();
        }
        let (_, count) = headers.first().map_or(Ok((1, 1)), part)?;
        if given != count {
            let missing = count.min(given + 1);
            bail!(
                MissingPart,
                "Part {missing} of {count} of the model is missing: {given} were given; give all of them, or the address of the first."
            );
        }
        let mut header = headers.remove(0);
        let catalog = &mut header.catalog;
        let wanted = catalog.metadata.u32("split.tensors.count")?.filter(|_| count > 1);
        if wanted.is_some_and(|wanted| wanted as usize != found) {
            bail!(
                MissingPart,
                "The {count} parts of the model have too many tensors or too few: one is another model's."
            );
        }
        let mut bytes = vec![catalog.file_bytes];
        for mut other in headers {
            other.catalog.tensors.iter_mut().for_each(|tensor| tensor.offset += catalog.file_bytes);
            catalog.tensors.append(&mut other.catalog.tensors);
            catalog.file_bytes += other.catalog.file_bytes;
            bytes.push(other.catalog.file_bytes);
        }
        super::check_unique(&catalog.tensors)?;
        Ok(Joined { header, bytes })
    }
}
