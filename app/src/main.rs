fn main() -> std::process::ExitCode {
    scope::cli::main()
}
