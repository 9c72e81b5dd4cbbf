//! Each way in which a token file is replaced. The integration tests include this file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::ProjectedVolume;

/// The path of the token, and a function that replaces it. The function takes the number of the rotation, from 0.
pub(crate) type Place = (PathBuf, Box<dyn FnMut(usize, &str) -> io::Result<()> + Send>);

pub(crate) fn swap(home: &Path) -> io::Result<Place> {
    let volume = ProjectedVolume::new(home.join("volume"))?;
    Ok((volume.token_path(), Box::new(move |_, token| volume.write(token))))
}

pub(crate) fn in_place(home: &Path) -> io::Result<Place> {
    let file = InPlaceFile::new(home.join("token"));
    Ok((file.token_path().to_owned(), Box::new(move |_, token| file.write(token))))
}

pub(crate) fn rename_over(home: &Path) -> io::Result<Place> {
    let (file, new) = (home.join("token"), home.join("new"));
    let write = {
        let file = file.clone();
        move |_, token: &str| {
            fs::write(&new, token)?;
            fs::rename(&new, &file)
        }
    };
    Ok((file, Box::new(write)))
}

/// One symlink is absolute and one relative, each in its own directory.
pub(crate) fn behind_links(home: &Path) -> io::Result<Place> {
    let volume = ProjectedVolume::new(home.join("volume"))?;
    for directory in ["etc", "run"] {
        fs::create_dir(home.join(directory))?;
    }
    symlink(volume.token_path(), home.join("run/token"))?;
    symlink("../run/token", home.join("etc/token"))?;
    Ok((home.join("etc/token"), Box::new(move |_, token| volume.write(token))))
}

pub(crate) fn other_target(home: &Path) -> io::Result<Place> {
    for directory in ["etc", "run"] {
        fs::create_dir(home.join(directory))?;
    }
    symlink("../run/token", home.join("etc/token"))?;
    let file = home.join("etc/token");
    let home = home.to_owned();
    let write = move |number: usize, token: &str| {
        let directory = home.join(format!("run.{number}"));
        fs::create_dir(&directory)?;
        fs::write(directory.join("token"), token)?;
        symlink(directory.join("token"), home.join("run/new"))?;
        fs::rename(home.join("run/new"), home.join("run/token"))
    };
    Ok((file, Box::new(write)))
}

/// Every third rotation leads the symlink to another directory; the others replace the file there.
pub(crate) fn other_links(home: &Path) -> io::Result<Place> {
    for directory in ["etc", "run"] {
        fs::create_dir(home.join(directory))?;
    }
    symlink("../run/token", home.join("etc/token"))?;
    let file = home.join("etc/token");
    let home = home.to_owned();
    let write = move |number: usize, token: &str| {
        let directory = home.join(format!("run.{}", number / 3));
        if number.is_multiple_of(3) {
            fs::create_dir(&directory)?;
            fs::write(directory.join("token"), token)?;
            symlink(directory.join("token"), home.join("run/new"))?;
            return fs::rename(home.join("run/new"), home.join("run/token"));
        }
        fs::write(directory.join("new"), token)?;
        fs::rename(directory.join("new"), directory.join("token"))
    };
    Ok((file, Box::new(write)))
}

pub(crate) fn removed(home: &Path) -> io::Result<Place> {
    let directory = home.join("volume");
    let write = {
        let directory = directory.clone();
        move |number: usize, token: &str| {
            if number % 4 == 2 {
                fs::remove_dir_all(&directory)?;
            }
            ProjectedVolume::new(&directory)?.write(token)
        }
    };
    Ok((directory.join("token"), Box::new(write)))
}

pub(crate) fn moved_away(home: &Path) -> io::Result<Place> {
    let (directory, home) = (home.join("volume"), home.to_owned());
    let write = {
        let directory = directory.clone();
        move |number: usize, token: &str| {
            if number % 4 == 2 {
                fs::rename(&directory, home.join(format!("away.{number}")))?;
            }
            ProjectedVolume::new(&directory)?.write(token)
        }
    };
    Ok((directory.join("token"), Box::new(write)))
}

/// At first even the parent of the directory is missing.
pub(crate) fn late(home: &Path) -> io::Result<Place> {
    let directory = home.join("var/run/volume");
    let write = {
        let directory = directory.clone();
        move |_, token: &str| ProjectedVolume::new(&directory)?.write(token)
    };
    Ok((directory.join("token"), Box::new(write)))
}

/// A token file that is overwritten in place, as scripts and some agents do. For a moment it is empty, then half written.
#[derive(Debug)]
pub(crate) struct InPlaceFile {
    path: PathBuf,
}

impl InPlaceFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Empties the file, then writes the token in two pieces.
    pub(crate) fn write(&self, token: impl AsRef<str>) -> io::Result<()> {
        let (head, tail) = token.as_ref().as_bytes().split_at(token.as_ref().len() / 2);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&self.path)?;
        file.write_all(head)?;
        file.flush()?;
        file.write_all(tail)
    }

    pub(crate) fn token_path(&self) -> &Path {
        &self.path
    }
}
