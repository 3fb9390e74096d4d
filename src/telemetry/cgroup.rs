//! What the system lets this process have: the limits of its control groups, which is what a container is made of.
//!
//! Groups lie in one another, and each may set a limit; the least one counts. Version 1 and 2 differ in where the groups
//! are mounted and what the file is called, and a system may have both.

use std::fs;
use std::path::Path;

/// The least limit on the memory of this process, in bytes, if there is one.
pub(super) fn memory_limit() -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let groups = read(Path::new("/proc/self/cgroup"))?;
    least_limit(&mounts, &groups, read)
}

/// A tree of groups that knows limits on memory.
struct Mount<'a> {
    /// Which group of the whole tree its top is.
    root: &'a str,
    /// Where it is in the file system.
    point: &'a str,
    version: Version,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl<'a> Mount<'a> {
    /// One line of `mountinfo`: number, parent, device, root, point, options, some fields up to a dash; type, source, options.
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let version = match system.next()? {
            "cgroup2" => Version::Two,
            "cgroup" if has_memory(system.nth(1)?) => Version::One,
            _ => return None,
        };
        Some(Mount {
            root,
            point,
            version,
        })
    }

    /// The group of the process in this tree, from the lines `number:controllers:group`.
    fn group(&self, groups: &'a str) -> Option<&'a str> {
        groups.lines().find_map(|line| {
            let (_, line) = line.split_once(':')?;
            let (controllers, group) = line.split_once(':')?;
            let is_ours = match self.version {
                Version::One => has_memory(controllers),
                Version::Two => controllers.is_empty(),
            };
            is_ours.then_some(group)
        })
    }

    /// The least limit of the process's group and those around it, as far up as they can be seen.
    fn least_limit(&self, groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
        let file = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        let top = Path::new(self.point);
        // A group that lies outside of what is mounted is that of the mount's top.
        let below = Path::new(self.group(groups)?)
            .strip_prefix(self.root)
            .unwrap_or(Path::new(""));
        top.join(below)
            .ancestors()
            .take_while(|group| group.starts_with(top))
            // Without a limit version 2 says "max", version 1 a number beyond any memory.
            .filter_map(|group| read(&group.join(file))?.trim().parse().ok())
            .min()
    }
}

fn has_memory(controllers: &str) -> bool {
    controllers.split(',').any(|one| one == "memory")
}

fn least_limit(mounts: &str, groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    mounts
        .lines()
        .filter_map(Mount::parse)
        .filter_map(|mount| mount.least_limit(groups, &read))
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST_V2: &str = "\
25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw
35 25 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate";
    const V1: &str = "\
36 25 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
37 25 0:32 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory";

    fn limit(mounts: &str, groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        least_limit(mounts, groups, |path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| format!("{text}\n"))
        })
    }

    #[test]
    fn the_least_limit_along_the_path_counts() {
        let group = "0::/system.slice/cache.service";
        let at = |own, around| {
            limit(
                HOST_V2,
                group,
                &[
                    ("/sys/fs/cgroup/system.slice/cache.service/memory.max", own),
                    ("/sys/fs/cgroup/system.slice/memory.max", around),
                    // Another's.
                    ("/sys/fs/cgroup/other/memory.max", "1"),
                    ("/sys/fs/memory.max", "1"),
                ],
            )
        };
        assert_eq!(at("536870912", "max"), Some(536_870_912));
        assert_eq!(at("536870912", "1000000"), Some(1_000_000));
        assert_eq!(at("max", "1000000"), Some(1_000_000));
        assert_eq!(at("max", "max"), None);
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_top() {
        let files = [("/sys/fs/cgroup/memory.max", "268435456")];
        assert_eq!(limit(HOST_V2, "0::/", &files), Some(268_435_456));
        assert_eq!(
            limit(HOST_V2, "0::/../../docker/abc", &files),
            Some(268_435_456)
        );
    }

    #[test]
    fn version_1_is_found_by_its_controller() {
        let groups = "7:cpu,cpuacct:/busy\n4:memory:/cache\n1:name=systemd:/cache\n0::/cache";
        let own = (
            "/sys/fs/cgroup/memory/cache/memory.limit_in_bytes",
            "1073741824",
        );
        let none = (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "9223372036854771712",
        );
        assert_eq!(limit(V1, groups, &[own, none]), Some(1 << 30));
        assert_eq!(limit(V1, "4:cpu:/cache", &[own]), None);
        // A container whose mount begins at its own group.
        let inside = "37 25 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let at_top = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000");
        assert_eq!(limit(inside, "4:memory:/docker/abc", &[at_top]), Some(1000));
        assert_eq!(limit(inside, "4:memory:/elsewhere", &[at_top]), Some(1000));
    }

    #[test]
    fn both_versions_are_asked() {
        let mounts = format!("{HOST_V2}\n{V1}");
        let files = [
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2000"),
            ("/sys/fs/cgroup/memory.max", "max"),
        ];
        assert_eq!(limit(&mounts, "4:memory:/\n0::/", &files), Some(2000));
    }

    #[test]
    fn what_cannot_be_read_is_no_limit() {
        assert_eq!(limit("", "", &[]), None);
        assert_eq!(limit("nonsense - \n1 2 3 - cgroup2", "0:\n:::", &[]), None);
        assert_eq!(
            limit(HOST_V2, "0::/", &[("/sys/fs/cgroup/memory.max", "-5x")]),
            None
        );
    }
}
