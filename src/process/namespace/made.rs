//! How Linux makes namespaces.

use std::ffi::CString;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::{chdir, getgid, getuid};

use super::{Kind, Made, Namespace, Wanted};
use crate::process;

/// More than are ever handed over at once.
const MOST: usize = 16;

impl Kind {
    fn flag(self) -> CloneFlags {
        match self {
            Self::User => CloneFlags::CLONE_NEWUSER,
            Self::Mounts => CloneFlags::CLONE_NEWNS,
            Self::Network => CloneFlags::CLONE_NEWNET,
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::User => "/proc/self/ns/user",
            Self::Mounts => "/proc/self/ns/mnt",
            Self::Network => "/proc/self/ns/net",
        }
    }
}

pub(super) fn make(wanted: &Wanted) -> io::Result<Made> {
    let (own, of_helper) = UnixStream::pair()?;
    let mut helper = process::command(std::env::current_exe()?);
    helper
        .arg("make-network")
        .stdin(Stdio::from(OwnedFd::from(of_helper)));
    for port in &wanted.ports {
        helper.arg("--port").arg(port.to_string());
    }
    if wanted.names {
        helper.arg("--names");
    }
    for (from, to) in &wanted.files {
        let mut file = from.clone().into_os_string();
        file.push("=");
        file.push(to);
        helper.arg("--file").arg(file);
    }
    for folder in &wanted.writable {
        helper.arg("--writable").arg(folder);
    }
    let output = process::output(&mut helper)?;
    drop(helper);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(said.trim().to_owned()));
    }
    let (kinds, mut files) = receive(&own)?;
    let sockets = files.split_off(kinds.len());
    let mut sockets = sockets.into_iter();
    let listening: Vec<OwnedFd> = sockets.by_ref().take(wanted.ports.len()).collect();
    Ok(Made {
        namespace: Namespace(kinds.into_iter().zip(files).collect()),
        listening,
        names: sockets.next(),
    })
}

/// What the helper sent: which namespaces come first, and all files.
fn receive(from: &UnixStream) -> io::Result<(Vec<Kind>, Vec<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; MOST]);
    let mut is_of_user = [0];
    let mut parts = [IoSliceMut::new(&mut is_of_user)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut files = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = part {
            // SAFETY: they were made for this process just now, and have no other owner.
            let owned = received
                .into_iter()
                .map(|it| unsafe { OwnedFd::from_raw_fd(it) });
            files.extend(owned);
        }
    }
    let kinds = kinds(is_of_user[0] == 1);
    match files.len() >= kinds.len() {
        true => Ok((kinds, files)),
        false => Err(io::Error::other("the helper handed nothing over")),
    }
}

fn kinds(is_of_user: bool) -> Vec<Kind> {
    let user = is_of_user.then_some(Kind::User);
    user.into_iter()
        .chain([Kind::Mounts, Kind::Network])
        .collect()
}

pub(super) fn inside(wanted: &Wanted) -> io::Result<()> {
    let (user, group) = (getuid(), getgid());
    let both = Kind::Mounts.flag() | Kind::Network.flag();
    let is_of_user = match unshare(both) {
        Ok(()) => false,
        Err(_) => {
            unshare(both | Kind::User.flag())?;
            // Whom it is, it stays.
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
            true
        }
    };
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    for (from, to) in &wanted.files {
        if to.exists() {
            mount(Some(from), to, none, MsFlags::MS_BIND, none)?;
        }
    }
    if !wanted.writable.is_empty() {
        forbid_writing(&wanted.writable)?;
    }
    bring_up_loopback()?;
    let mut files = Vec::new();
    for kind in kinds(is_of_user) {
        files.push(OwnedFd::from(fs::File::open(kind.file())?));
    }
    for port in &wanted.ports {
        files.push(TcpListener::bind((Ipv4Addr::LOCALHOST, *port))?.into());
    }
    if wanted.names {
        files.push(UdpSocket::bind((Ipv4Addr::LOCALHOST, 53))?.into());
    }
    let files: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
    let parts = [IoSlice::new(if is_of_user { &[1] } else { &[0] })];
    let rights = [ControlMessage::ScmRights(&files)];
    sendmsg::<()>(libc::STDIN_FILENO, &parts, &rights, MsgFlags::empty(), None)?;
    Ok(())
}

/// Where the system has its devices and processes, or keeps nothing.
const NO_FILES: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Makes all mounts read-only but these folders and what is below them.
fn forbid_writing(writable: &[PathBuf]) -> io::Result<()> {
    let none: Option<&str> = None;
    let both = MsFlags::MS_BIND | MsFlags::MS_REC;
    for folder in writable.iter().filter(|folder| folder.is_dir()) {
        mount(Some(folder), folder, none, both, none)?;
    }
    let stays = |place: &Path| {
        let others = NO_FILES.iter().map(Path::new);
        let mut all = writable.iter().map(PathBuf::as_path).chain(others);
        all.any(|folder| place.starts_with(folder))
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    for place in places.map(|place| PathBuf::from(unescaped(place))) {
        if !stays(&place) {
            make_read_only(&place)?;
        }
    }
    Ok(())
}

/// The name of a place: blanks in it are written `\\040`.
fn unescaped(place: &str) -> String {
    let codes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let replaced = codes.iter();
    replaced.fold(place.to_owned(), |text, (code, meant)| {
        text.replace(code, meant)
    })
}

/// Makes one mount read-only, where the kernel can do that (Linux 5.12) and the mount can be reached.
fn make_read_only(place: &Path) -> io::Result<()> {
    /// `struct mount_attr`: what is set, what is cleared, how changes spread, whose ids.
    const READ_ONLY: [u64; 4] = [1, 0, 0, 0];
    let place = CString::new(place.as_os_str().as_bytes())?;
    // SAFETY: name and attributes live longer than the call, which writes to neither.
    unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            place.as_ptr(),
            0,
            READ_ONLY.as_ptr(),
            size_of_val(&READ_ONLY),
        );
    }
    Ok(())
}

nix::ioctl_write_ptr_bad!(set_interface_flags, libc::SIOCSIFFLAGS, libc::ifreq);

fn bring_up_loopback() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: all zeros are a valid request; the name ends with one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = (*from).cast_signed() as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is of the kind that this call reads.
    unsafe { set_interface_flags(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}

pub(super) fn enter(namespace: &Namespace, command: &mut Command, folder: &Path) -> io::Result<()> {
    let copies = namespace.0.iter().map(|(kind, file)| {
        let copy = file.as_fd().try_clone_to_owned()?;
        Ok((kind.flag(), copy))
    });
    let files: Vec<(CloneFlags, OwnedFd)> = copies.collect::<io::Result<_>>()?;
    // Among other mounts a process is at their root.
    let folder = CString::new(folder.as_os_str().as_bytes())?;
    let before_exec = move || {
        for (kind, file) in &files {
            setns(file, *kind)?;
        }
        chdir(&*folder)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only.
    unsafe {
        command.pre_exec(before_exec);
    }
    Ok(())
}
