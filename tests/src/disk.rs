//! A small file system of its own in a directory of a space, which can get full or read-only.

use crate::features::{Feature, skip};
use crate::space::TestSpace;
use camino::Utf8PathBuf;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use std::ffi::CString;

/// Unmounted when it is dropped.
pub struct Disk {
    path: Utf8PathBuf,
    size: String,
}

impl Disk {
    /// Mounts it on a directory, which is made. `size` is as for tmpfs(5). `None` if mounting is not
    /// permitted; then a skip is reported.
    pub fn mount(space: &TestSpace, directory: &str, size: &str) -> Option<Disk> {
        let path = space.path(directory);
        std::fs::create_dir_all(&path).unwrap();
        let options = CString::new(format!("size={size}")).unwrap();
        match mount("none", path.as_str(), "tmpfs", MountFlags::empty(), options.as_c_str()) {
            Ok(()) => Some(Disk { path, size: size.to_owned() }),
            Err(error) => {
                skip(Feature::Root, &format!("mounting a tmpfs needs root ({error})"));
                None
            }
        }
    }

    pub fn set_read_only(&self, is_read_only: bool) {
        let flags = if is_read_only { MountFlags::RDONLY } else { MountFlags::empty() };
        self.remount(flags, &self.size);
    }

    pub fn resize(&self, size: &str) {
        self.remount(MountFlags::empty(), size);
    }

    fn remount(&self, flags: MountFlags, size: &str) {
        let options = CString::new(format!("size={size}")).unwrap();
        mount_remount(self.path.as_str(), flags, options.as_c_str()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(self.path.as_str(), UnmountFlags::DETACH);
    }
}
