// The operations, as libfuse's low-level interface names them. One file each for names, attributes, data, directories, extended
// attributes, locks and control; each callback unpacks, calls core once, converts, and answers exactly once.
#ifndef BOUGH_OPS_H
#define BOUGH_OPS_H

#include <fuse_lowlevel.h>

/// All of them.
extern const struct fuse_lowlevel_ops ops;

struct mount;

/// Ends every wait for a lock through a mount that serves no requests any more.
void ops_end_waits(struct mount *mount);

void op_init(void *mount, struct fuse_conn_info *connection);

void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t request, fuse_ino_t node, uint64_t count);
void op_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *nodes);
void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
               unsigned int flags);
void op_readlink(fuse_req_t request, fuse_ino_t node);

void op_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void op_setattr(fuse_req_t request, fuse_ino_t node, struct stat *attr, int valid, struct fuse_file_info *file);
void op_access(fuse_req_t request, fuse_ino_t node, int want);
void op_statfs(fuse_req_t request, fuse_ino_t node);

void op_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *file);
void op_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file);
void op_write(fuse_req_t request, fuse_ino_t node, const char *data, size_t size, off_t offset, struct fuse_file_info *file);
void op_flush(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void op_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void op_fsync(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *file);
void op_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length, struct fuse_file_info *file);
void op_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, struct fuse_file_info *file);
void op_copy_file_range(fuse_req_t request, fuse_ino_t source, off_t source_offset, struct fuse_file_info *source_file,
                        fuse_ino_t node, off_t offset, struct fuse_file_info *file, size_t length, int flags);

void op_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void op_releasedir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void op_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file);
void op_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset, struct fuse_file_info *file);
void op_fsyncdir(fuse_req_t request, fuse_ino_t node, int datasync, struct fuse_file_info *file);

void op_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size);
void op_listxattr(fuse_req_t request, fuse_ino_t node, size_t size);
void op_removexattr(fuse_req_t request, fuse_ino_t node, const char *name);

void op_getlk(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, struct flock *lock);
void op_setlk(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, struct flock *lock, int sleep);
void op_flock(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file, int operation);

void op_ioctl(fuse_req_t request, fuse_ino_t node, unsigned int command, void *argument, struct fuse_file_info *file,
              unsigned flags, const void *input, size_t input_bytes, size_t output_bytes);

#endif
