//! Control requests about the base.

use super::messages::*;
use super::{filled, name_in, required};
use crate::base::{BaseConfig, BaseIdentity};
use crate::error::{Error, Result};
use crate::ffi::volume::{FS_CONFIG_BASE_CROSS_MOUNTS, FS_CONFIG_BASE_DIRECTORY, FS_CONFIG_BASE_FREEZE};
use crate::types::{InodeId, RefId};
use crate::volume::view::View;

impl View {
    pub(super) fn control_base(&self, message: &mut fs_control_base) -> Result<()> {
        let Some(BaseConfig::HostDirectory { path, cross_mounts, freeze }) = self.volume.base() else { return Ok(()) };
        message.path = fs_control_label { bytes: filled(path.as_os_str().as_encoded_bytes()) };
        message.kind = FS_CONFIG_BASE_DIRECTORY;
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        message.flags = bit(*cross_mounts, FS_CONFIG_BASE_CROSS_MOUNTS) | bit(*freeze, FS_CONFIG_BASE_FREEZE);
        Ok(())
    }

    pub(super) fn control_origin(&self, message: &mut fs_control_origin) -> Result<()> {
        let of = match name_in(&message.of)? {
            Some(name) => self.volume.find(name)?,
            None => self.info().shows,
        };
        let origin = self.volume.origin(of, InodeId(message.inode))?;
        message.state = origin.state as u32;
        message.is_there = u32::from(origin.present.is_some());
        message.recorded = origin.recorded.as_ref().map_or_else(bytemuck::Zeroable::zeroed, identity);
        message.present = origin.present.as_ref().map_or_else(bytemuck::Zeroable::zeroed, identity);
        Ok(())
    }

    pub(super) fn control_revert(&self, message: &mut fs_control_revert) -> Result<()> {
        let branch = self.volume.find_kind(required(name_in(&message.branch)?)?, FS_REF_BRANCH)?;
        let to = match name_in(&message.to)? {
            Some(name) => self.volume.find(name)?,
            None => self.volume.ref_info(branch)?.parent.ok_or(Error::Invalid("it grew from nothing: name two"))?,
        };
        let RefId::Branch(branch) = branch else { return Err(Error::NoSuchRef) };
        let bytes = message.paths.get(..message.path_bytes as usize).and_then(|bytes| bytes.strip_suffix(&[0]));
        let bytes = bytes.ok_or(Error::BadStructure("paths, with a NUL after each"))?;
        let paths: Vec<Vec<u8>> = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
        if message.flags & !FS_CONTROL_KEEP_BELOW != 0 {
            return Err(Error::BadStructure("no flag of a revert"));
        }
        let changes = (message.changes != 0).then_some(message.changes);
        message.changes = self.volume.revert_unchanged(branch, to, &paths, message.flags != 0, changes)?;
        Ok(())
    }

    pub(super) fn control_ranges(&self, message: &mut fs_control_ranges) -> Result<()> {
        let of = match name_in(&message.of)? {
            Some(name) => self.volume.find(name)?,
            None => self.info().shows,
        };
        let own = self.volume.own_ranges(of, InodeId(message.inode), message.from, FS_CONTROL_RANGES_ENTRIES)?;
        message.size = own.size;
        message.count = own.ranges.len() as u32;
        for (entry, range) in message.entries.iter_mut().zip(&own.ranges) {
            *entry = fs_control_range { offset: range.start, length: range.end - range.start };
        }
        Ok(())
    }
}

fn identity(of: &BaseIdentity) -> fs_control_identity {
    let BaseIdentity { device, inode, born, size, modified, changed } = *of;
    fs_control_identity { device, inode, born: born.0, size, modified: modified.0, changed: changed.0 }
}
