"""What system calls answer when they fail, by the kind of fault that each is to the law."""

ERRNOS = {
    "scarce": ("ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "ENOMEM"),
    "denied": ("EROFS", "EPERM", "EACCES"),
    "missing": ("ENOENT",),
    "timeout": ("ETIMEDOUT",),
    "failed": ("EIO", "EINTR", "EAGAIN", "EBUSY", "ESTALE", "ESRCH"),
}
