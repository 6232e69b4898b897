//! Control requests about the base.

use super::messages::*;
use super::{filled, name_in};
use crate::base::{BaseConfig, BaseIdentity};
use crate::error::Result;
use crate::ffi::volume::{FS_CONFIG_BASE_CROSS_MOUNTS, FS_CONFIG_BASE_DIRECTORY, FS_CONFIG_BASE_FREEZE};
use crate::types::InodeId;
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
}

fn identity(of: &BaseIdentity) -> fs_control_identity {
    let BaseIdentity { device, inode, born, size, modified, changed } = *of;
    fs_control_identity { device, inode, born: born.0, size, modified: modified.0, changed: changed.0 }
}
