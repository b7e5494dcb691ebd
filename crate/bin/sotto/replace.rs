//! Files that take the place of others once they are whole: until then the old one stays, and so it does if nothing comes of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Where a command writes to.
pub enum Output {
    /// A new file beside the one that it will be.
    New(NamedTempFile, PathBuf),
    /// A device or a pipe takes what comes, and is never replaced.
    Stream(File),
}

impl Output {
    /// Writes to `path`, or to where it leads if it is a link.
    pub fn create(path: &Path) -> io::Result<Self> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&target).is_ok_and(|is| !is.is_file()) {
            return OpenOptions::new().write(true).open(&target).map(Output::Stream);
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        builder.prefix(".sotto-");
        // As any other file: the process's mask is applied.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Ok(Output::New(builder.tempfile_in(folder)?, target))
    }

    /// It is whole, and takes its place.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Output::Stream(mut file) => file.flush(),
            Output::New(file, target) => {
                file.as_file().sync_all()?;
                file.persist(target).map(drop).map_err(|failed| failed.error)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::New(file, _) => file.write(bytes),
            Output::Stream(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::New(file, _) => file.flush(),
            Output::Stream(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        for (new, kept) in [("first", true), ("second", true), ("third", false)] {
            let mut output = Output::create(&path).expect("an output");
            output.write_all(new.as_bytes()).expect("room");
            assert_ne!(fs::read_to_string(&path).ok().as_deref(), Some(new));
            if kept { output.finish().expect("a file") } else { drop(output) }
        }
        assert_eq!((names(folder.path()), fs::read_to_string(&path).ok()), (vec!["a".into()], Some("second".into())));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_devices_stay_what_they_are() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").expect("room");
        symlink(&file, &link).expect("a link");
        let mut output = Output::create(&link).expect("an output");
        output.write_all(b"new").and_then(|()| output.finish()).expect("a file");
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("a file"), "new");
        assert!(fs::metadata(&file).expect("a file").permissions().mode() & 0o400 != 0);
        let mut output = Output::create(Path::new("/dev/null")).expect("an output");
        output.write_all(b"new").and_then(|()| output.finish()).expect("an end");
        assert!(fs::metadata("/dev/null").expect("a device").file_type().is_char_device());
        assert!(Output::create(folder.path()).is_err());
    }
}
