//! Builds the page for wasm and embeds it, compressed, in the binary.
//!
//! The page is built by a cargo of its own, in a target directory of its own: the outer one holds its lock meanwhile.

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "embed-ui")]
    ui::build()?;
    Ok(())
}

#[cfg(feature = "embed-ui")]
mod ui {
    use std::fmt::Write as _;
    use std::hash::{Hash, Hasher};
    use std::io::Write as _;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::{env, fs};

    use anyhow::{Context, Result, bail};

    const TARGET: &str = "wasm32-unknown-unknown";

    pub fn build() -> Result<()> {
        let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
        for path in ["frontend/src", "frontend/assets", "frontend/Cargo.toml", "shared/src", "shared/Cargo.toml"] {
            println!("cargo::rerun-if-changed={}", root.join(path).display());
        }
        for path in ["Cargo.lock", "Cargo.toml", ".cargo/config.toml"] {
            println!("cargo::rerun-if-changed={}", root.join(path).display());
        }
        let out = PathBuf::from(env::var("OUT_DIR")?);
        let wasm = compile(&root, &out)?;
        let bound = out.join("ui");
        let is_release = env::var("PROFILE")? == "release";
        wasm_bindgen_cli_support::Bindgen::new()
            .input_path(&wasm)
            // Names of functions are two fifths of the file, and for a profile only.
            .remove_name_section(is_release)
            .remove_producers_section(is_release)
            .out_name("scope")
            .web(true)?
            .typescript(false)
            .generate(&bound)
            .context("wasm-bindgen")?;
        let mut files =
            vec![(bound.join("scope.js"), "text/javascript"), (bound.join("scope_bg.wasm"), "application/wasm")];
        let assets = [
            ("index.html", "text/html; charset=utf-8"),
            ("boot.js", "text/javascript"),
            ("layout-worker.js", "text/javascript"),
            ("tokens.css", "text/css"),
            ("style.css", "text/css"),
            ("icon.svg", "image/svg+xml"),
            ("fonts/inter-license.txt", "text/plain; charset=utf-8"),
            ("fonts/inter.woff2", "font/woff2"),
        ];
        files.extend(assets.map(|(name, kind)| (root.join("frontend/assets").join(name), kind)));
        embed(&files, &out)
    }

    fn compile(root: &Path, out: &Path) -> Result<PathBuf> {
        let profile = if env::var("PROFILE")? == "release" { "wasm-release" } else { "wasm-dev" };
        // Beside the outer target directory, so that it outlives a change of this script's hash.
        let target = out.ancestors().nth(4).context("an OUT_DIR of an unknown shape")?.join("wasm-ui");
        let mut cargo = Command::new(env::var("CARGO")?);
        cargo.current_dir(root).args(["build", "--locked", "-p", "frontend", "--bin", "frontend"]);
        cargo.args(["--target", TARGET, "--profile", profile, "--target-dir"]).arg(&target);
        // What the outer cargo set for this script must not leak into the inner one.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];
            let of_cargo = text.starts_with("CARGO_") && !kept.iter().any(|k| text.starts_with(k));
            let others = ["RUSTFLAGS", "RUSTC", "RUSTDOC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "MAKEFLAGS"];
            if of_cargo || text.starts_with("CLIPPY_") || others.contains(&&*text) {
                cargo.env_remove(&name);
            }
        }
        let status = cargo.status().context("cargo cannot be started")?;
        if !status.success() {
            bail!("the page did not build; if {TARGET} is missing, run scripts/wasm-target.sh");
        }
        Ok(target.join(TARGET).join(profile).join("frontend.wasm"))
    }

    /// A Rust file with every asset's bytes, plain and compressed.
    fn embed(files: &[(PathBuf, &str)], out: &Path) -> Result<()> {
        let mut code = format!("static ASSETS: [Asset; {}] = [\n", files.len());
        for (path, content_type) in files {
            let name = path.file_name().and_then(|n| n.to_str()).context("an asset without a name")?;
            let plain = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(&plain)?;
            let mut brotli = Vec::new();
            let quality = if env::var("PROFILE")? == "release" { 11 } else { 5 };
            let parameters = brotli::enc::BrotliEncoderParams { quality, ..Default::default() };
            brotli::BrotliCompress(&mut plain.as_slice(), &mut brotli, &parameters)?;
            let mut hasher = std::hash::DefaultHasher::new();
            plain.hash(&mut hasher);
            for (suffix, bytes) in [("", &plain), (".gz", &gzip.finish()?), (".br", &brotli)] {
                fs::write(out.join(format!("{name}{suffix}")), bytes)?;
            }
            writeln!(
                code,
                "    Asset {{ path: {name:?}, content_type: {content_type:?}, tag: \"{:016x}\", \
                 plain: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\")), \
                 gzip: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.gz\")), \
                 brotli: include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}.br\")) }},",
                hasher.finish()
            )?;
        }
        code.push_str("];\n");
        fs::write(out.join("ui.rs"), code)?;
        Ok(())
    }
}
