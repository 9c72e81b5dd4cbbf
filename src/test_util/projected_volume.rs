use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use aws_smithy_types::date_time::{DateTime, Format};

/// A projected volume with a service-account token. It makes the same system calls in the same order as the kubelet.
///
/// ```text
/// ..2026_11_23_22_37_36.591186970/token        the token; each rotation makes a new directory
/// ..data -> ..2026_11_23_22_37_36.591186970    replaced by a rename, which publishes the token
/// token -> ..data/token                        made once
/// ```
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let directory = tempfile::tempdir()?;
/// use aws_web_identity::test_util::ProjectedVolume;
///
/// let volume = ProjectedVolume::new(directory.path())?;
/// volume.write("first")?;
/// volume.write("second")?;
/// assert_eq!(std::fs::read_to_string(volume.token_path())?, "second");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ProjectedVolume {
    directory: PathBuf,
}

impl ProjectedVolume {
    /// Uses this directory as the volume. It holds no token before the first [`write`](Self::write).
    ///
    /// A missing directory is made, with the mode of a volume (1777).
    ///
    /// # Errors
    ///
    /// When the directory cannot be made.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        if !directory.is_dir() {
            fs::create_dir_all(&directory)?;
            fs::set_permissions(&directory, Permissions::from_mode(0o1777))?;
        }
        Ok(Self { directory })
    }

    /// Replaces the token, as the kubelet does.
    ///
    /// The order is that of Kubernetes 1.23 and later: `..data` exists before `token`. The same token again writes nothing,
    /// except that a missing link `token` is made again, as in Kubernetes 1.30 and later.
    ///
    /// # Errors
    ///
    /// When the file system fails. A rotation that failed half-way is not undone.
    pub fn write(&self, token: impl AsRef<str>) -> io::Result<()> {
        let token = token.as_ref().as_bytes();
        let data = self.directory.join("..data");
        let old = match fs::read_link(&data) {
            Ok(target) => Some(self.directory.join(target)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if let Some(old) = &old
            && is_current(old, token)?
        {
            return self.link();
        }

        let new = self.new_directory()?;
        self.write_file(&new.join(NAME), token)?;
        let staged = self.directory.join("..data_tmp");
        symlink(new.strip_prefix(&self.directory).unwrap_or(&new), &staged)?;
        fs::rename(&staged, &data)?;
        self.link()?;
        match old {
            Some(old) => fs::remove_dir_all(old),
            None => Ok(()),
        }
    }

    /// The path of the token file, for a provider.
    pub fn token_path(&self) -> PathBuf {
        self.directory.join(NAME)
    }

    /// Makes the link `token` unless it exists.
    fn link(&self) -> io::Result<()> {
        match fs::read_link(self.token_path()) {
            Ok(_) => Ok(()),
            Err(_) => symlink(Path::new("..data").join(NAME), self.token_path()),
        }
    }

    fn new_directory(&self) -> io::Result<PathBuf> {
        let now = DateTime::from(SystemTimeSource::new().now());
        let now = now.fmt(Format::DateTime).map_err(io::Error::other)?;
        let now = now.get(..19).unwrap_or(&now).replace(['-', 'T', ':'], "_");
        let new = self.directory.join(format!("..{now}.{}", fastrand::u32(..)));
        DirBuilder::new().mode(0o700).create(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o755))?;
        Ok(new)
    }

    fn write_file(&self, path: &Path, token: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
        file.write_all(token)?;
        drop(file);
        fs::set_permissions(path, Permissions::from_mode(MODE))
    }
}

/// Walks and reads the old directory. The kubelet does so every minute, also when nothing has changed.
fn is_current(old: &Path, token: &[u8]) -> io::Result<bool> {
    for entry in fs::read_dir(old)? {
        entry?.metadata()?;
    }
    match fs::read(old.join(NAME)) {
        Ok(content) => Ok(content == token),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

const NAME: &str = "token";

/// Mode of the token file. The kubelet writes 0600 instead if all containers of the pod have the same `runAsUser`.
const MODE: u32 = 0o644;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_has_the_layout_of_the_kubelet() {
        let directory = tempfile::tempdir().unwrap();
        let volume = ProjectedVolume::new(directory.path().join("serviceaccount")).unwrap();
        volume.write("first").unwrap();
        let first = data(&volume);
        volume.write("second").unwrap();

        assert_eq!(fs::read_to_string(volume.token_path()).unwrap(), "second");
        assert_eq!(fs::read_link(volume.token_path()).unwrap(), Path::new("..data/token"));
        assert_ne!(data(&volume), first, "each rotation makes a new directory");
        assert_eq!(
            names(&volume),
            ["..data", &data(&volume), "token"].map(str::to_owned),
            "the old directory is removed"
        );

        let timestamped = data(&volume);
        let digits: Vec<_> = timestamped.trim_start_matches("..").split(['_', '.']).map(str::len).collect();
        assert_eq!(digits[..6], [4, 2, 2, 2, 2, 2], "{timestamped}");
        assert_eq!(mode(&volume.directory.join(&timestamped)), 0o755);
        assert_eq!(mode(&volume.token_path()), 0o644);
        assert_eq!(mode(&volume.directory), 0o1777);
    }

    #[test]
    fn missing_link_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let volume = ProjectedVolume::new(directory.path()).unwrap();
        volume.write("token").unwrap();
        let before = data(&volume);
        fs::remove_file(volume.token_path()).unwrap();
        volume.write("token").unwrap();
        assert_eq!(fs::read_to_string(volume.token_path()).unwrap(), "token");
        assert_eq!(data(&volume), before, "nothing else is written");
    }

    /// The expected order is from a trace of the kubelet. Read events are left out, because the kernel merges them.
    #[cfg(target_os = "linux")]
    #[test]
    fn rotation_gives_the_file_events_of_the_kubelet() {
        use notify::event::{CreateKind, MetadataKind, ModifyKind, RemoveKind, RenameMode};
        use notify::{EventKind, RecursiveMode, Watcher};

        let directory = tempfile::tempdir().unwrap();
        let volume = ProjectedVolume::new(directory.path()).unwrap();
        let (sender, events) = std::sync::mpsc::channel();
        let mut watcher = notify::recommended_watcher(sender).unwrap();
        watcher.watch(directory.path(), RecursiveMode::NonRecursive).unwrap();
        let mut old = None;
        for token in ["first", "second", "third", "third"] {
            let unchanged = old.is_some() && fs::read_to_string(volume.token_path()).unwrap() == token;
            volume.write(token).unwrap();
            let new = data(&volume);
            let mut expected = Vec::new();
            if !unchanged {
                expected.extend([
                    (EventKind::Create(CreateKind::Folder), new.clone()),
                    (EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), new.clone()),
                    (EventKind::Create(CreateKind::File), "..data_tmp".to_owned()),
                    (EventKind::Modify(ModifyKind::Name(RenameMode::From)), "..data_tmp".to_owned()),
                    (EventKind::Modify(ModifyKind::Name(RenameMode::To)), "..data".to_owned()),
                    (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), "..data_tmp".to_owned()),
                ]);
                expected.push(match old.take() {
                    None => (EventKind::Create(CreateKind::File), "token".to_owned()),
                    Some(old) => (EventKind::Remove(RemoveKind::Folder), old),
                });
            }
            old = Some(new);
            // Marks the end of this rotation's events.
            fs::create_dir(directory.path().join("fence")).unwrap();
            fs::remove_dir(directory.path().join("fence")).unwrap();
            let mut seen = Vec::new();
            loop {
                let event: notify::Event = events.recv().unwrap().unwrap();
                let name = event.paths[0].file_name().unwrap().to_str().unwrap().to_owned();
                match event.kind {
                    EventKind::Remove(_) if name == "fence" => break,
                    EventKind::Create(_) if name == "fence" => {}
                    EventKind::Access(_) => {}
                    kind => seen.push((kind, name)),
                }
            }
            assert_eq!(seen, expected, "{token}");
        }
    }

    #[test]
    fn published_token_is_whole_and_has_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let volume = ProjectedVolume::new(directory.path()).unwrap();
        volume.write("0".repeat(1000)).unwrap();
        std::thread::scope(|scope| {
            let writer =
                scope.spawn(|| (0..300).for_each(|n| volume.write((n % 10).to_string().repeat(1000)).unwrap()));
            while !writer.is_finished() {
                // The old directory can go while the kernel follows the links: the open fails, as on a real volume.
                let Ok(mut file) = fs::File::open(volume.token_path()) else { continue };
                let mut token = String::new();
                io::Read::read_to_string(&mut file, &mut token).unwrap();
                assert!(token.len() == 1000 && token.bytes().all(|byte| byte == token.as_bytes()[0]), "{token}");
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
            }
        });
    }

    #[test]
    fn same_token_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let volume = ProjectedVolume::new(directory.path()).unwrap();
        volume.write("token").unwrap();
        let before = data(&volume);
        volume.write("token").unwrap();
        assert_eq!(data(&volume), before);
    }

    fn data(volume: &ProjectedVolume) -> String {
        fs::read_link(volume.directory.join("..data")).unwrap().into_os_string().into_string().unwrap()
    }

    fn names(volume: &ProjectedVolume) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&volume.directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_by_key(|name| (name == "token", name != "..data"));
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }
}
