//! Goal: `live` is switched in one step and only to what is there; pruning knows what is its own.
// In a test a panic is the finding.
#![allow(clippy::unwrap_used)]

mod trees;

use std::fs;
use std::path::Path;

use content::{list_releases, live_link, prune_releases, read_live, remove_tree, switch_live};
use trees::{Scene, write};

fn hold(scene: &Scene, release: u64) {
    write(
        &scene.site,
        format!("releases/{release}/f").as_bytes(),
        release.to_string().as_bytes(),
    );
    write(
        &scene.site,
        format!("trees/{release}.tree").as_bytes(),
        b"tree",
    );
}

fn live_content(scene: &Scene) -> String {
    fs::read_to_string(live_link(&scene.site).join("f")).unwrap()
}

#[test]
fn live_follows_each_switch_and_can_be_read_back() {
    let scene = Scene::new();
    assert_eq!(read_live(&scene.site).unwrap(), None, "no site yet");
    hold(&scene, 1);
    assert_eq!(read_live(&scene.site).unwrap(), None, "nothing live yet");
    for release in [1, 2, 1, 1] {
        hold(&scene, release);
        switch_live(&scene.site, release).unwrap();
        assert_eq!(read_live(&scene.site).unwrap(), Some(release));
        assert_eq!(live_content(&scene), release.to_string());
    }
    let target = fs::read_link(live_link(&scene.site)).unwrap();
    assert_eq!(
        target,
        Path::new("releases/1"),
        "relative, so that the site can be moved"
    );
}

#[test]
fn a_release_that_is_not_there_is_not_switched_to() {
    let scene = Scene::new();
    assert_eq!(
        switch_live(&scene.site, 1).unwrap_err().code(),
        "ENGINE_ERR_RELEASE_UNKNOWN"
    );
    hold(&scene, 1);
    switch_live(&scene.site, 1).unwrap();
    write(&scene.site, b"releases/.staging-2/f", b"half");
    write(&scene.site, b"releases/3", b"a file");
    for release in [2, 3, 4] {
        let error = switch_live(&scene.site, release).unwrap_err();
        assert_eq!(error.code(), "ENGINE_ERR_RELEASE_UNKNOWN");
    }
    assert_eq!(read_live(&scene.site).unwrap(), Some(1));
}

#[test]
fn a_link_left_by_a_crash_does_not_hinder_the_next_switch() {
    let scene = Scene::new();
    hold(&scene, 1);
    std::os::unix::fs::symlink("releases/9", scene.site.join(".live-new")).unwrap();
    switch_live(&scene.site, 1).unwrap();
    assert_eq!(live_content(&scene), "1");
}

#[test]
fn a_live_that_somebody_else_made_is_left_alone() {
    let scene = Scene::new();
    hold(&scene, 1);
    write(&scene.site, b"live/precious", b"kept");
    let taken = |error: content::ContentError| {
        assert_eq!(error.code(), "ENGINE_ERR_LIVE_TAKEN");
        let path = live_link(&scene.site).display().to_string();
        assert_eq!(error.details(), [("path", path)]);
    };
    taken(switch_live(&scene.site, 1).unwrap_err());
    taken(read_live(&scene.site).unwrap_err());
    assert_eq!(fs::read(scene.site.join("live/precious")).unwrap(), b"kept");
    fs::remove_dir_all(scene.site.join("live")).unwrap();
    fs::write(live_link(&scene.site), b"kept").unwrap();
    taken(switch_live(&scene.site, 1).unwrap_err());
    assert_eq!(fs::read(live_link(&scene.site)).unwrap(), b"kept");
    fs::remove_file(live_link(&scene.site)).unwrap();
    std::os::unix::fs::symlink("/etc", live_link(&scene.site)).unwrap();
    assert_eq!(read_live(&scene.site).unwrap_err().code(), "ENGINE_ERR_IO");
    assert!(
        prune_releases(&scene.site, &[], &[]).is_err(),
        "what is live is not known"
    );
    assert!(scene.release(1).exists());
}

#[test]
fn readers_see_only_whole_releases_while_it_is_switched() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let scene = Scene::new();
    hold(&scene, 1);
    hold(&scene, 2);
    switch_live(&scene.site, 1).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                assert!(["1", "2"].contains(&live_content(&scene).as_str()));
            }
        });
        for turn in 0..200 {
            switch_live(&scene.site, turn % 2 + 1).unwrap();
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn pruning_removes_old_releases_and_nothing_it_does_not_recognise() {
    let scene = Scene::new();
    for release in 1..=6 {
        hold(&scene, release);
    }
    switch_live(&scene.site, 2).unwrap();
    let strangers = [
        "releases/notes",
        "releases/007",
        "releases/.staging-x",
        "releases/8.old",
        "releases/-1",
        "releases/.hidden",
        "trees/readme",
        "other",
    ];
    for name in strangers {
        write(&scene.site, format!("{name}/f").as_bytes(), b"kept");
    }
    write(&scene.site, b"releases/.staging-7/f", b"in work");
    write(&scene.site, b"releases/.staging-9/f", b"left by a crash");
    assert_eq!(
        prune_releases(&scene.site, &[5, 6], &[7]).unwrap(),
        [1, 3, 4]
    );
    assert_eq!(list_releases(&scene.site).unwrap(), [2, 5, 6]);
    for name in strangers.into_iter().chain(["releases/.staging-7"]) {
        assert!(scene.site.join(name).join("f").exists(), "{name}");
    }
    assert!(!scene.site.join("releases/.staging-9").exists());
    assert!(!content::tree_path(&scene.site, 1).exists());
    assert!(
        prune_releases(&scene.site, &[5, 6], &[7])
            .unwrap()
            .is_empty()
    );
    assert_eq!(live_content(&scene), "2");
}

#[test]
fn a_release_counts_as_held_only_with_its_manifest() {
    let scene = Scene::new();
    hold(&scene, 3);
    write(&scene.site, b"releases/4/f", b"no manifest");
    write(&scene.site, b"trees/5.tree", b"no tree");
    assert_eq!(list_releases(&scene.site).unwrap(), [3]);
    assert!(list_releases(&scene.path("nowhere")).unwrap().is_empty());
}

#[test]
fn removing_a_tree_follows_no_link_and_nothing_there_is_no_error() {
    let scene = Scene::new();
    write(&scene.path("victim"), b"x", b"kept");
    write(&scene.path("t"), b"a/b/c", b"x");
    std::os::unix::fs::symlink("../victim", scene.path("t/link")).unwrap();
    remove_tree(&scene.path("t")).unwrap();
    remove_tree(&scene.path("t")).unwrap();
    remove_tree(&scene.path("no/where/at/all")).unwrap();
    assert!(!scene.path("t").exists() && scene.path("victim/x").exists());
    assert!(remove_tree(Path::new("/")).is_err());
}

#[test]
fn storage_is_probed_by_trying_and_nothing_is_left() {
    let scene = Scene::new();
    let probe = content::probe_storage(&scene.source).unwrap();
    assert!(probe.openat2 && probe.writable && probe.free_bytes > 0);
    assert!(!probe.file_system.is_empty());
    assert_eq!(fs::read_dir(&scene.source).unwrap().count(), 0);
    assert!(content::probe_storage(&scene.path("none")).is_err());
}
