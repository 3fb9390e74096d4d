//! Who may do what.

use crate::config::compound::Lines;
use crate::config::directive::directives;
use crate::config::value::{Named, OneOf, Secret, Text, choices, integer};

const NO_ACL: &str = "access control lists are not supported yet";

choices! {
    /// Who may use what is dangerous.
    pub enum Permission {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients that connect from this machine.
        Local = "local",
    }
}

impl Permission {
    /// Whether a client may; `local` says that it connects from this machine.
    pub fn allows(self, local: bool) -> bool {
        self == Permission::Yes || (self == Permission::Local && local)
    }
}

directives! {
    /// Who may do what.
    pub struct Security as security, "SECURITY" {
        /// Password that clients give with AUTH. Empty means that none is needed.
        requirepass: Vec<u8> = Vec::new() => Secret, sensitive;
        /// Whether DEBUG may be used: no, yes, or local for clients from this machine.
        enable_debug_command: Permission = Permission::No => Named, at_start;
        /// Whether CONFIG SET may change dir and dbfilename: no, yes, or local.
        enable_protected_configs: Permission = Permission::No => Named, at_start;
        /// Call a command by another name, or hide it by an empty one. May be repeated:
        /// rename-command <name> <new name>
        rename_command: Vec<Vec<Vec<u8>>> = Vec::new() => Lines { least: 2, most: 2 }, file_only;
        /// A user and its rules. May be repeated.
        user: Vec<Vec<Vec<u8>>> = Vec::new() => Lines { least: 1, most: usize::MAX }, file_only, sensitive,
            inert(NO_ACL);
        /// File with the users and their rules.
        aclfile: String = String::new() => Text, at_start, inert(NO_ACL);
        /// Channels that a new user may use.
        acl_pubsub_default: &'static str = "resetchannels" => OneOf(&["allchannels", "resetchannels"]),
            inert(NO_ACL);
        /// Entries that ACL LOG keeps.
        acllog_max_len: u64 = 128 => integer(0, i64::MAX), inert(NO_ACL);
        /// Whether MODULE may be used.
        enable_module_command: Permission = Permission::No => Named, at_start,
            inert("modules are not supported");
        /// A module to load at start. May be repeated.
        loadmodule: Vec<Vec<Vec<u8>>> = Vec::new() => Lines { least: 1, most: usize::MAX }, file_only,
            inert("modules are not supported");
    }
}
