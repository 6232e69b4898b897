//! Sizes and offsets of every structure that crosses the boundary, asserted here for Rust and, from the same table,
//! in the header for C. They are the ABI: a line here is changed by a new version only.

use std::mem::offset_of;

use super::attributes::{fs_set_attr, fs_space};
use super::boundary::Structure;
use super::content::fs_open_options;
use super::diff::fs_diff_entry;
use super::events::{fs_change, fs_event, fs_watch};
use super::foreign::{fs_file_info, fs_mac_info, fs_new, fs_set_file_info};
use super::identity::fs_volume_info;
use super::locks::{fs_lock, fs_wait};
use super::names::{fs_dirent, fs_forgotten};
use super::opens::{fs_windows_handle_info, fs_windows_opened, fs_windows_request};
use super::pins::fs_iovec;
use super::refs::fs_ref_record;
use super::streams::fs_stream;
use super::tokens::{fs_token_group, fs_token_parts};
use super::types::{fs_attr, fs_caller, fs_entry, fs_ref};
use super::view::fs_view_record;
use super::volume::{fs_config, fs_counters};
use crate::control::messages::*;

/// Where a structure's fields lie.
#[derive(Debug)]
pub struct Layout {
    /// Its name.
    pub name: &'static str,
    /// Its size in bytes, where pointers have 8.
    pub bytes: usize,
    /// Its fields and their offsets.
    pub fields: &'static [(&'static str, usize)],
}

macro_rules! layouts {
    ($($structure:ident $bytes:literal { $($field:ident $offset:literal),* })*) => {
        $(
            #[cfg(target_pointer_width = "64")]
            const _: () = {
                assert!(size_of::<$structure>() == $bytes);
                $(assert!(offset_of!($structure, $field) == $offset);)*
            };
        )*
        /// Every structure.
        pub const LAYOUTS: &[Layout] = &[
            $(Layout {
                name: stringify!($structure),
                bytes: $bytes,
                fields: &[$((stringify!($field), $offset)),*],
            }),*
        ];
    };
}

macro_rules! structures {
    ($($structure:ident { $($reserved:ident),* })*) => {
        $(
            const _: () = assert!(offset_of!($structure, size) == 0);
            // SAFETY: `repr(C)`, made of numbers, arrays of them and raw pointers only, `size` first (asserted above).
            unsafe impl Structure for $structure {
                fn reserved_is_zero(&self) -> bool {
                    true $(&& bytemuck::bytes_of(&self.$reserved).iter().all(|&byte| byte == 0))*
                }
            }
        )*
    };
}

structures! {
    fs_config { reserved0, reserved }
    fs_volume_info { reserved }
    fs_counters { reserved0, reserved }
    fs_activity { reserved0, reserved }
    fs_holdings { reserved0, reserved }
    fs_caller { reserved0, reserved }
    fs_attr { reserved }
    fs_entry { reserved0, reserved }
    fs_set_attr { reserved }
    fs_space { reserved }
    fs_open_options { reserved0, reserved }
    fs_dirent { reserved }
    fs_lock { reserved }
    fs_wait { reserved }
    fs_event { reserved0, reserved }
    fs_watch { reserved0, reserved }
    fs_change { reserved }
    fs_diff_entry { reserved }
    fs_stream { reserved0, reserved }
    fs_file_info { reserved0, reserved }
    fs_set_file_info { reserved }
    fs_mac_info { reserved0, reserved }
    fs_new { reserved0, reserved }
    fs_ref_record { reserved }
    fs_view_record { reserved }
    fs_token_parts { reserved }
    fs_windows_request { reserved }
    fs_windows_opened { reserved0, reserved }
    fs_windows_handle_info { reserved0, reserved }
}

layouts! {
    fs_caller 64 {
        size 0, uid 4, gid 8, pid 12, umask 16, privileges 20, groups_count 24, reserved0 28, groups 32, token 40, reserved 48
    }
    fs_attr 144 {
        size 0, kind 4, inode 8, mode 16, uid 20, gid 24, links 28, flags 32, base 36, device 40, length 48,
        allocated 56, accessed 64, modified 72, changed 80, born 88, parent 96, version 104, reserved 112
    }
    fs_entry 176 { size 0, reserved0 4, node 8, attr 16, reserved 160 }
    fs_ref 16 { id 0, kind 8, reserved 12 }
    fs_config 200 {
        size 0, flags 4, name 8, name_bytes 16, memory_bytes 24, spill_dir 32, spill_dir_bytes 40, endpoint 48,
        endpoint_bytes 56, root_uid 64, root_gid 68, root_mode 72, names 76, base 80, base_bytes 88, base_kind 96,
        base_flags 100, label 104, label_bytes 112, id 120,
        memory_percent 136, reserved0 140, spill_limit_bytes 144, spill_reserve_bytes 152, reserved 160
    }
    fs_volume_info 448 {
        size 0, serial 4, id 8, created 24, total_bytes 32, free_bytes 40, capabilities 48, windows_flags 56, names 60,
        name_bytes 64, name_units 68, links 72, xattr_bytes 76, file_bytes 80, label_bytes 88, label_units 92, label 96,
        label_utf16 352, reserved 416
    }
    fs_counters 160 {
        size 0, reserved0 4, branches 8, snapshots 16, views 24, memory_bytes 32, used_bytes 40, capacity_bytes 48,
        chunks 56, small_bytes 64, chunks_allocated 72, chunks_copied 80, spill_bytes 88, reserved 96
    }
    fs_view_record 80 { size 0, flags 4, id 8, shows 16, label 32, label_bytes 40, reserved 48 }
    fs_ref_record 360 {
        size 0, name_bytes 4, id 8, parent 24, created 40, children 48, views 56, inodes 64, name 72, reserved 328
    }
    fs_dirent 96 {
        size 0, kind 4, node 8, inode 16, cookie 24, name 32, name_bytes 40, attr 48, name_utf16 56, name_units 64,
        reserved 72
    }
    fs_set_attr 96 {
        size 0, valid 4, mode 8, uid 12, gid 16, flags 20, length 24, accessed 32, modified 40, changed 48, born 56,
        reserved 64
    }
    fs_space 80 {
        size 0, block_bytes 4, blocks 8, blocks_free 16, inodes 24, inodes_free 32, name_bytes 40, name_units 44, reserved 48
    }
    fs_open_options 96 { size 0, flags 4, mode 8, reserved0 12, reserved 16 }
    fs_iovec 16 { base 0, length 8 }
    fs_forgotten 16 { node 0, count 8 }
    fs_token_group 24 { sid 0, sid_bytes 8, attributes 16, reserved 20 }
    fs_token_parts 104 {
        size 0, privileges 4, user 8, user_bytes 16, owner 24, owner_bytes 32, group 40, group_bytes 48, groups 56,
        groups_count 64, reserved 72
    }
    fs_windows_request 120 {
        size 0, access 4, share 8, disposition 12, options 16, attributes 20, mode 24, flags 28, allocation 32,
        security 40, security_bytes 48, extended_attributes 56, extended_attributes_bytes 64, stream 72,
        stream_bytes 80, reserved 88
    }
    fs_windows_opened 208 {
        size 0, outcome 4, granted 8, reserved0 12, handle 16, node 24, attr 32, reserved 176
    }
    fs_windows_handle_info 56 { size 0, flags 4, granted 8, reserved0 12, node 16, reserved 24 }
    fs_lock 56 { size 0, space 4, kind 8, pid 12, owner 16, start 24, end 32, reserved 40 }
    fs_wait 40 { size 0, space 4, node 8, number 16, reserved 24 }
    fs_event 1624 {
        size 0, kind 4, inode 8, parent 16, new_parent 24, origin 32, name_bytes 40, new_name_bytes 44, name 48,
        new_name 816, reserved0 1584, reserved 1592
    }
    fs_watch 64 { size 0, flags 4, capacity 8, node 16, filter 24, reserved0 28, reserved 32 }
    fs_change 168 {
        size 0, kind 4, action 8, changes 12, fsevents_flags 16, file_kind 20, inode 24, parent 32, new_parent 40,
        origin 48, name 56, name_bytes 64, new_name 72, new_name_bytes 80, stream 88, stream_bytes 96, path 104,
        path_bytes 112, new_path 120, new_path_bytes 128, reserved 136
    }
    fs_diff_entry 80 {
        size 0, kind 4, aspects 8, file_kind 12, inode 16, path 24, path_bytes 32, old_path 40, old_path_bytes 48,
        reserved 56
    }
    fs_file_info 112 {
        size 0, attributes 4, reparse_tag 8, ea_bytes 12, length 16, allocation 24, created 32, accessed 40, written 48,
        changed 56, index 64, links 72, reserved0 76, reserved 80
    }
    fs_set_file_info 72 { size 0, attributes 4, created 8, accessed 16, written 24, changed 32, reserved 40 }
    fs_mac_info 64 { size 0, valid 4, flags 8, reserved0 12, added 16, backed_up 24, reserved 32 }
    fs_new 112 {
        size 0, kind 4, mode 8, attributes 12, allocation 16, security 24, security_bytes 32, eas 40, eas_bytes 48,
        reparse 56, reparse_bytes 64, security_how 72, reserved0 76, reserved 80
    }
    fs_stream 72 { size 0, reserved0 4, length 8, allocated 16, name 24, name_bytes 32, reserved 40 }
    fs_control_header 144 { size 0, version 4, result 8, reserved 12, text 16 }
    fs_control_name 256 { bytes 0 }
    fs_control_label 1024 { bytes 0 }
    fs_control_info 2736 {
        header 0, volume 144, shows 400, shows_id 656, shows_kind 664, flags 668, view 672, pid 680, ignores_case 684,
        label 688, endpoint 1712
    }
    fs_control_snapshot 664 { header 0, name 144, branch 400, id 656 }
    fs_control_ref 320 {
        name 0, id 256, parent_id 264, kind 272, parent_kind 276, created 280, children 288, views 296, inodes 304,
        changes 312
    }
    fs_control_list 12960 { header 0, after_id 144, after_kind 152, count 156, entries 160 }
    fs_control_branch 664 { header 0, name 144, from 400, id 656 }
    fs_control_switch 400 { header 0, to 144 }
    fs_control_rename 664 { header 0, from 144, to 400, kind 656, reserved 660 }
    fs_control_delete 416 { header 0, name 144, kind 400, reserved 404, changes 408 }
    fs_control_diff_open 664 { header 0, before 144, after 400, id 656 }
    fs_control_diff_read 16160 { header 0, id 144, count 152, reserved 156, data 160 }
    fs_control_diff_record 32 {
        inode 0, kind 8, aspects 12, file_kind 16, path_bytes 20, old_path_bytes 24, changed_by 28
    }
    fs_control_diff_close 152 { header 0, id 144 }
    fs_control_stats 304 {
        header 0, branches 144, snapshots 152, views 160, nodes 168, memory_bytes 176, used_bytes 184,
        capacity_bytes 192, chunks 200, small_bytes 208, chunks_allocated 216, chunks_copied 224, spill_bytes 232,
        reserved 240
    }
    fs_operation 240 { name 0, count 16, timed 24, total_ns 32, slowest_ns 40, buckets 48 }
    fs_activity 7816 {
        size 0, reserved0 4, resident_bytes 8, chunk_reads 16, faults 24, ahead_hits 32, stalls 40, evictions 48,
        spill_read_bytes 56, spill_written_bytes 64, reserved 72, operations 136
    }
    fs_control_activity 7960 { header 0, activity 144 }
    fs_holdings 96 {
        size 0, reserved0 4, inodes 8, content_bytes 16, shared_bytes 24, exclusive_inodes 32,
        exclusive_content_bytes 40, exclusive_memory_bytes 48, exclusive_spilled_bytes 56,
        exclusive_metadata_bytes 64, reserved 72
    }
    fs_control_holding 368 { name 0, id 256, kind 264, reserved 268, holdings 272 }
    fs_control_holdings 14888 {
        header 0, after_id 144, after_kind 152, count 156, more 160, reserved 164, entries 168
    }
    fs_control_view 1304 { id 0, shows_id 8, shows_kind 16, flags 20, shows 24, label 280 }
    fs_control_views 10592 { header 0, after 144, count 152, reserved 156, entries 160 }
    fs_control_attach 1440 { header 0, shows 144, label 400, flags 1424, shows_kind 1428, view 1432 }
    fs_control_base 1176 { header 0, path 144, kind 1168, flags 1172 }
    fs_control_identity 48 { device 0, inode 8, born 16, size 24, modified 32, changed 40 }
    fs_control_origin 512 {
        header 0, of 144, inode 400, state 408, is_there 412, recorded 416, present 464
    }
    fs_control_check 8392 {
        header 0, flags 144, problem_bytes 148, trees 152, inodes 160, entries 168, chunks 176, small_buffers 184,
        problem_count 192, problems 200
    }
}
