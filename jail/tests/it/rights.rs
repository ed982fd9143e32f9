//! What a host's threads may do: each right on the lists is needed, and no other.
//!
//! The second half is what all other tests show, for every host here runs with these lists.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use caps::Capability;
use jail::{Code, Host, Rights};

use crate::lifetimes::{first_process, groups_of};
use crate::world::{IMPORT, LIMITS, config, output, run};

/// A directory of one package, gone when the test ends.
struct Site(PathBuf);

impl Site {
    fn new() -> Self {
        let site = std::env::temp_dir().join(format!("pbt-rights-{}", std::process::id()));
        fs::create_dir_all(&site).unwrap();
        fs::write(site.join("greet.py"), "word = 'hello'").unwrap();
        Self(site)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// All that a worker does with a host; the first thing that fails.
async fn whole_life(rights: Rights, site: &Site) -> Result<(), String> {
    let host = Host::prepare_hindered(&config(), rights).map_err(|error| format!("{error:?}"))?;
    let done = service(&host, site).await;
    let clean = host.close(Duration::from_secs(20));
    let groups = done?;
    assert!(clean, "sandboxes are left");
    match groups.iter().find(|group| group.exists()) {
        None => Ok(()),
        Some(left) => Err(format!("{} is left", left.display())),
    }
}

/// Gives the groups that the worker made.
async fn service(host: &Host, site: &Site) -> Result<Vec<PathBuf>, String> {
    host.self_test().await.map_err(|e| format!("{e:?}"))?;
    let layer = host.layer(&site.0).await.map_err(|e| format!("{e:?}"))?;
    let generic = host.boot().await.map_err(|e| format!("{e:?}"))?;
    let generic = generic.with(Some(layer));
    let _way_out = generic.listen(3128).await.map_err(|e| format!("{e:?}"))?;
    let code = Code::single("import greet\ndef main(): return greet.word");
    let bound = generic.bind(&code, &LIMITS, IMPORT).await;
    let bound = bound.map_err(|e| format!("{e:?}"))?;
    let mut sandbox = bound.sandbox.map_err(|e| format!("{e:?}"))?;
    let said = output(&run(&mut sandbox, "{}").await);
    assert_eq!(said, "\"hello\"");
    let groups = groups_of(first_process().parse().unwrap());
    Ok(groups
        .iter()
        .map(|group| group.parent().unwrap().to_owned())
        .collect())
}

type List = fn(&mut Rights) -> &mut Vec<Capability>;

#[tokio::test]
async fn without_any_one_of_its_capabilities_a_host_is_not_fit() {
    use Capability as C;
    let site = Site::new();
    whole_life(Rights::default(), &site).await.unwrap();
    let lists: [(List, &[(Capability, &str)]); 4] = [
        (
            |rights| &mut rights.mounts,
            &[
                (C::CAP_SYS_ADMIN, "unshare the mount namespace"),
                (C::CAP_MKNOD, "make a device"),
                (C::CAP_SETPCAP, "PR_CAPBSET_DROP"),
                (C::CAP_SETUID, "uid_map"),
                (C::CAP_SETGID, "gid_map"),
            ],
        ),
        (
            |rights| &mut rights.nsjail,
            &[(C::CAP_SETUID, "uid_map"), (C::CAP_SETGID, "gid_map")],
        ),
        (
            |rights| &mut rights.visits,
            &[
                (C::CAP_SYS_ADMIN, "PermissionDenied"),
                (C::CAP_SYS_CHROOT, "PermissionDenied"),
            ],
        ),
        (
            |rights| &mut rights.burials,
            &[(C::CAP_DAC_OVERRIDE, "is left")],
        ),
    ];
    for (list, needed) in lists {
        let mut all = Rights::default();
        let listed: Vec<_> = list(&mut all).clone();
        let tried: Vec<_> = needed.iter().map(|(capability, _)| *capability).collect();
        assert_eq!(listed, tried, "each entry is taken away once");
        for (capability, fails) in needed {
            let mut rights = Rights::default();
            list(&mut rights).retain(|kept| kept != capability);
            let said = whole_life(rights, &site).await.unwrap_err();
            assert!(said.contains(fails), "{capability}: {said}");
        }
    }
}
