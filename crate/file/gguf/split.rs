//! A model in several files, as `gguf-split` makes them: each has a header and tensors of its own, the first has the
//! metadata of all.

use super::Header;
use crate::bail;
use crate::base::error::Result;
use crate::file::Metadata;

/// The headers of a model's files, joined.
#[derive(Clone, Debug)]
pub struct Joined {
    /// As of one file that has all of them behind each other.
    pub header: Header,
    /// The bytes of each that are the model's; what follows in a file is not.
    pub bytes: Vec<u64>,
}

/// Which part of how many a header is of, counted from 0; (0, 1) of a model in one file.
fn part(metadata: &Metadata) -> Result<(u32, u32)> {
    let count = metadata.u32("split.count")?.unwrap_or(0).max(1);
    Ok((metadata.u32("split.no")?.unwrap_or(0), count))
}

impl Joined {
    /// Of all parts, in order. `MissingPart` names the one that is not there, or is another's.
    pub fn new(headers: Vec<Header>) -> Result<Joined> {
        let given = headers.len();
        let mut headers = headers.into_iter();
        let Some(mut first) = headers.next() else { bail!(MissingPart, "The model has no files; give at least one.") };
        let (no, count) = part(&first.catalog.metadata)?;
        if no != 0 {
            let what = if given == 1 { "load the first, or all of them" } else { "give them in their order" };
            bail!(
                MissingPart,
                "Part 1 of the model is missing: the file given for it is part {} of {count}; {what}.",
                no + 1
            );
        }
        if given < count as usize {
            bail!(
                MissingPart,
                "Part {} of {count} of the model is missing; give all of them, or the address of the first.",
                given + 1
            );
        }
        if given > count as usize {
            bail!(MissingPart, "{given} files were given, but the first says that the model has {count}; give these.");
        }
        let (wanted, name) = (first.catalog.metadata.u32("split.tensors.count")?, architecture(&first));
        let mut bytes = vec![first.catalog.file_bytes];
        for (index, other) in headers.enumerate() {
            let index = index + 2;
            let (no, of) = part(&other.catalog.metadata)?;
            let theirs = architecture(&other);
            let same = theirs.is_none() || name.is_none() || theirs == name;
            if no as usize + 1 != index || of != count || !same {
                bail!(
                    MissingPart,
                    "Part {index} of {count} of the model is missing: the file given for it is part {} of {of} of {}; look for the right one.",
                    no + 1,
                    if same { "the same or another" } else { "another" }
                );
            }
            let start = first.catalog.file_bytes;
            first.catalog.tensors.extend(other.catalog.tensors.into_iter().map(|mut tensor| {
                tensor.offset += start;
                tensor
            }));
            first.catalog.file_bytes += other.catalog.file_bytes;
            bytes.push(other.catalog.file_bytes);
        }
        super::check_unique(&first.catalog.tensors)?;
        let found = first.catalog.tensors.len();
        if let Some(wanted) = wanted.filter(|&wanted| count > 1 && wanted as usize != found) {
            bail!(
                MissingPart,
                "The {count} parts of the model have {found} tensors, not {wanted} as the first says: one is another model's; look for the right ones."
            );
        }
        Ok(Joined { header: first, bytes })
    }
}

fn architecture(header: &Header) -> Option<String> {
    header.catalog.metadata.str("general.architecture").ok().flatten().map(String::from)
}
