use super::*;

fn paths(groups: &str) -> Vec<String> {
    let files = files(groups);
    files
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn the_limits_are_those_of_the_own_group_and_of_all_around_it() {
    let expected = [
        "/sys/fs/cgroup/system.slice/agent.service/memory.max",
        "/sys/fs/cgroup/system.slice/memory.max",
        "/sys/fs/cgroup/memory.max",
    ];
    assert_eq!(paths("0::/system.slice/agent.service\n"), expected);
    assert_eq!(paths("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
    let expected = [
        "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    assert_eq!(
        paths("9:name=systemd:/x\n4:memory:/a\n3:cpuset:/\n"),
        expected
    );
    assert!(paths("nonsense\n").is_empty());
}
