//! Generates the stubs from the contract, with a protoc that comes as a crate.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let protos = "../../protos";
    let services = ["session_service", "time_service", "time_control_service", "audit_service"];
    let files = services.map(|name| format!("{protos}/synckairos/v1/{name}.proto"));

    let mut protoc = tonic_prost_build::Config::new();
    protoc.protoc_executable(protoc_bin_vendored::protoc_bin_path()?);
    tonic_prost_build::configure()
        .build_server(false)
        // tonic-types has what errors are made of.
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_with_config(protoc, &files, &[protos.to_string()])?;
    println!("cargo:rerun-if-changed={protos}");
    Ok(())
}
