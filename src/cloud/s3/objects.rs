//! The objects of a bucket as files in a folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use s3s::crypto::{Checksum, Md5};

use crate::oracle::Objects;
use crate::site::read_content;

/// The MD5 sum of bytes in hexadecimal digits, which is the ETag of an object.
pub(in crate::cloud) fn md5(bytes: &[u8]) -> String {
    let mut hash = Md5::new();
    hash.update(bytes);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Reads every object below a folder; keys have `/` between their parts.
pub(super) fn read_objects(folder: &Path, prefix: &str, objects: &mut Objects) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let key = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_objects(&entry.path(), &format!("{key}/"), objects)?;
        } else {
            let content = read_content(&key, &std::fs::read(entry.path())?);
            objects.insert(key.into(), Arc::new(content));
        }
    }
    Ok(())
}
