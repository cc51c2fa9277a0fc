//! P5: the vendor source as the last fallback, in every setting of `vendor_fallback` and the domain's privilege.

use anyhow::Result;
use headwater_api::policy::{OptionsDocument, ServerFallbackDocument};
use headwater_sim::world::{Run, World, scenario};

use super::{PARIS, rules};

const VENDOR: &str = "10.9.0.1";

/// Components do not fall back to the server; what the policy comes by does.
fn options(vendor_fallback: &str, server_for_components: bool) -> OptionsDocument {
    let server_fallback =
        ServerFallbackDocument { components: server_for_components, settings: true, programs: true };
    OptionsDocument {
        server_fallback,
        vendor_fallback: vendor_fallback.to_owned(),
        ..OptionsDocument::default()
    }
}

/// Makes the vendor's repository with one release, and starts it.
fn vendor(world: &World) -> Result<headwater_sim::world::FaultySource> {
    let folder = world.folder().join("vendor");
    let release = world.folder().join("vendor-release");
    for (path, content) in rules("vendor") {
        let path = release.join(path);
        std::fs::create_dir_all(path.parent().unwrap())?;
        std::fs::write(path, content)?;
    }
    let (folder_text, release_text) = (folder.display().to_string(), release.display().to_string());
    let keys = world.folder().join("vendor-keys").display().to_string();
    world.headwater(&["repo", "init", &folder_text, "--keys", &keys])?;
    let publish = ["repo", "publish", &folder_text, "--keys", &keys, &release_text];
    world.headwater(&[&publish[..], &["--name", "vendor-rules", "--version", "1"]].concat())?;
    let source = world.faulty_folder("vendor", VENDOR, &folder)?;
    let root = folder.join("components/metadata/1.root.json").display().to_string();
    world.headwater(&[
        "vendor",
        "set",
        "--url",
        &format!("http://{VENDOR}"),
        "--root",
        &root,
        "--every",
        "0",
    ])?;
    Ok(source)
}

#[test]
fn every_setting_of_the_vendor_fallback() {
    scenario(|world| {
        let _vendor = vendor(world)?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        // Nothing listens there: every plan for components falls through to its end.
        let _refuses = world.host("mirror", &["10.1.0.9"])?;
        let dead = format!("{PARIS} url:http://10.1.0.9 components");
        let listed_for_others = format!("{dead}\n10.7.0.0-10.7.0.255 vendor");
        let check =
            |list: &str, fallback: &str, server: bool, privilege: bool, expected: bool| -> Result<()> {
                world.save(list, options(fallback, server))?;
                world.headwater(&[
                    "domains",
                    "settings",
                    "set",
                    "root",
                    &format!("download_from_vendor={privilege}"),
                ])?;
                world.headwater(&["domains", "settings", "save", "root"])?;
                let run = client.update()?;
                let asked = run.attempts("components").contains("vendor");
                assert_eq!(
                    asked,
                    expected,
                    "{fallback}, server {server}, privilege {privilege}, {list}:\n{}",
                    run.attempts("components")
                );
                Ok(())
            };
        // Components do not fall back to the server, and no entry names the vendor source.
        check(&dead, "documented", false, false, true)?;
        check(&dead, "documented", false, true, true)?;
        check(&dead, "privilege_only", false, false, false)?;
        check(&dead, "privilege_only", false, true, true)?;
        check(&dead, "never", false, false, false)?;
        check(&dead, "never", false, true, false)?;
        // An entry for others names it.
        check(&listed_for_others, "documented", false, false, false)?;
        check(&listed_for_others, "documented", false, true, true)?;
        // With the server in between it is asked only where the domain has the privilege (and the server fails).
        world.save(&dead, options("documented", true))?;
        check(&dead, "documented", true, false, false)?;
        // An entry for the client itself names it: whatever the fallback says.
        let listed = format!("{dead}\n{PARIS} vendor");
        check(&listed, "never", false, false, true)?;
        let run = client.update()?;
        assert_eq!(run.outcome("components"), "current from vendor");
        assert_eq!(run.installed("vendor-rules"), "1");
        Ok(())
    });
}

/// P4a: the vendor source does not have the organisation's own components: they come from another source of the plan,
/// earlier ones included, and without one the class is partial, with one finding, in preview, explanation and fleet view.
#[test]
fn the_organisations_own_components_come_from_other_sources_or_the_class_is_partial() {
    scenario(|world| {
        let _vendor = vendor(world)?;
        world.publish("own-rules", "1", &rules("own"))?;
        let client = world.client("pc-1", &["10.1.0.11"])?;
        let remote = format!("{PARIS} vendor");
        // The server is the end of the plan, behind the vendor source, which serves.
        world.save(&remote, options("documented", true))?;
        let run = client.update()?;
        assert_eq!(run.code, Some(0), "{}", run.attempts("components"));
        assert_eq!((run.installed("vendor-rules"), run.installed("own-rules")), ("1", "1"));
        // A mirror before the vendor source that does not work, and is asked once more after it.
        let mirror = world.host("mirror", &["10.1.0.9"])?;
        world.save(&format!("{PARIS} url:http://10.1.0.9 components\n{remote}"), options("never", false))?;
        world.publish("new-rules", "1", &rules("new"))?;
        let run = client.update()?;
        assert_eq!(
            run.attempts("components").matches("http://10.1.0.9").count(),
            2,
            "{}",
            run.attempts("components")
        );
        assert_eq!((run.code, run.outcome("components").as_str()), (Some(3), "partial from vendor"));
        drop(mirror);
        // No other source at all.
        world.save(&remote, options("never", false))?;
        let preview = world.headwater(&["sources", "preview"])?;
        assert!(preview.to_string().contains("no_own_components"), "{preview}");
        let explained = world.headwater(&["sources", "explain", "--client", "pc-1"])?;
        assert!(explained["plans"]["components"]["partial"].is_string(), "{explained}");
        let findings = |run: &Run| run.report.warnings.join("\n");
        let run = client.update()?;
        assert_eq!((run.code, run.outcome("components").as_str()), (Some(3), "partial from vendor"));
        assert!(findings(&run).contains("missing: new-rules"), "{}", findings(&run));
        assert_eq!(findings(&client.update()?), "", "one finding under a policy version");
        let listed = world.headwater(&["clients", "list", "--outdated"])?;
        assert!(listed.to_string().contains("missing: new-rules"), "{listed}");
        // With the server again, everything is there.
        world.save(&remote, options("never", true))?;
        let run = client.update()?;
        assert_eq!((run.code, run.installed("new-rules")), (Some(0), "1"));
        Ok(())
    });
}
