//! A plain web server is as good as a server (P4): Debian's nginx over a copied folder; and `curl`, which
//! resumes from every kind of source.

use std::path::Path;

use anyhow::{Result, ensure};
use headwater_sim::chance::Chance;
use headwater_sim::mirror;
use headwater_sim::network::Host;
use headwater_sim::world::{Endpoint, Setup, scenario, scenario_with};

use super::{PARIS, no_fallback, rules};

#[test]
fn a_static_nginx_mirror() {
    // A client of one family enrols at a server of the same.
    for (server_by_ipv6, address, source) in
        [(false, "10.1.0.11", "url:http://10.1.0.9"), (true, "fd00:1::12", "url:http://[fd00:1::9]")]
    {
        scenario_with(Setup { server_by_ipv6 }, |world| {
            world.publish("rules", "1", &rules("1"))?;
            let unreachable =
                format!("{PARIS},fd00:1::/32 url:http://10.1.0.9\nfd00:1::/32 url:http://[fd00:1::9]");
            world.save(&unreachable, no_fallback()).unwrap_err();
            let entries = format!("{PARIS} url:http://10.1.0.9\nfd00:1::/32 url:http://[fd00:1::9]");
            world.save(&entries, no_fallback())?;
            let folder = world.copy_repository("mirror-folder")?;
            let host = world.host("mirror", &["10.1.0.9", "fd00:1::9"])?;
            let _nginx = mirror::nginx(&host, &folder, &world.folder().join("nginx"))?;
            let client = world.client("pc-1", &[address])?;
            assert_eq!(client.enrol()?, Some(0));
            world.stop_server();
            let run = client.update()?;
            assert_eq!(run.code, Some(0));
            for class in ["settings", "components"] {
                assert_eq!(run.attempts(class), format!("{source} used"));
            }
            assert_eq!(client.installed_file("rules", "rules.txt").unwrap(), rules("1")[0].1);
            Ok(())
        });
    }
}

/// `curl -C -` completes a file that it has half of, from the server, an update agent and nginx alike.
#[test]
fn curl_resumes_from_everybody() {
    scenario(|world| {
        world.publish("rules", "1", &[("rules.bin", Chance::new(5).bytes(500_000))])?;
        let agent = world.update_agent("ua-paris", &["10.1.0.5"])?;
        agent.update()?;
        let folder = world.copy_repository("mirror-folder")?;
        let host = world.host("mirror", &["10.1.0.9"])?;
        let _nginx = mirror::nginx(&host, &folder, &world.folder().join("nginx"))?;
        let blob = largest_file(&folder.join("components/blobs"))?;
        let whole = std::fs::read(&blob)?;
        let ca = world.folder().join("ca.pem");
        std::fs::write(&ca, fleet_ca(&agent)?)?;
        let path = blob.strip_prefix(&folder)?.display().to_string();
        for (index, base) in
            ["https://10.0.0.1:8471", "https://10.1.0.5:8472", "http://10.1.0.9"].iter().enumerate()
        {
            let half = world.folder().join(format!("half-{index}"));
            std::fs::write(&half, &whole[..whole.len() / 3])?;
            let status = resume(world.server_host(), &agent, &ca, &format!("{base}/{path}"), &half)?;
            assert_eq!(status, "206", "{base}");
            assert!(std::fs::read(&half)? == whole, "{base}");
        }
        Ok(())
    });
}

/// The fleet CA's certificate, as a bundle brought it.
fn fleet_ca(client: &Endpoint) -> Result<String> {
    let bundle: serde_json::Value =
        serde_json::from_slice(&std::fs::read(client.data().join("bundle.json"))?)?;
    Ok(bundle["ca"][0].as_str().unwrap_or_default().to_owned())
}

/// Runs `curl -C -` as a client of the fleet; the answer's status.
fn resume(host: &Host, client: &Endpoint, ca: &Path, url: &str, file: &Path) -> Result<String> {
    let mut curl = host.command(Path::new("curl"));
    curl.arg("--cacert").arg(ca);
    curl.arg("--cert").arg(client.identity("certificate.pem")).arg("--key").arg(client.identity("key.pem"));
    curl.args(["--silent", "--show-error", "--max-time", "20", "-C", "-", "-w", "%{http_code}", url, "-o"])
        .arg(file);
    let output = curl.output()?;
    ensure!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn largest_file(folder: &Path) -> Result<std::path::PathBuf> {
    let mut found = (0, folder.to_owned());
    for sub_folder in std::fs::read_dir(folder)? {
        for file in std::fs::read_dir(sub_folder?.path())? {
            let file = file?;
            found = found.max((file.metadata()?.len(), file.path()));
        }
    }
    Ok(found.1)
}
