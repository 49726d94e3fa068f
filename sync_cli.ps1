# The commands of the S3 Sync Service: in the Compose stack where an engine answers, else in the local virtual environment.
#
#   .\sync_cli.ps1 COMMAND [ARGUMENT...]
#
# initial-sync incremental-sync daemon status test plan scan check explain retry-failed approve-deletes runs backup restore rebuild
# config doctor demo
# help lists them with what they do, and help COMMAND its options, such as those of incremental-sync --plan FILE.
# Exit codes are the service's own. $env:USE_DOCKER = '0' or '1' decides instead of looking for an engine.
# PowerShell keeps the first -- for itself. Write it twice before a key that begins with a hyphen: explain -- -- -1

# There is no param block, so that nothing of a command line is taken for a parameter of this script.
$Words = @($args)
if ($Words.Count -eq 0) { $Words = @('help') }
$Root = $PSScriptRoot

function Write-Message { [Console]::Error.WriteLine("$args") }

function Get-ComposeCommand {
    if (-not (Get-Command docker -ErrorAction SilentlyContinue)) { return @() }
    docker compose version *> $null
    if ($LASTEXITCODE -eq 0) { return @('docker', 'compose') }
    if (Get-Command docker-compose -ErrorAction SilentlyContinue) { return @('docker-compose') }
    return @()
}

function Test-Engine {
    if (-not (Get-Command docker -ErrorAction SilentlyContinue)) { return $false }
    docker info *> $null
    return $LASTEXITCODE -eq 0
}

function Invoke-Compose {
    $Rest = @($Compose | Select-Object -Skip 1) + $args
    & $Compose[0] @Rest
}

function Test-Running($Service) {
    $Id = @(Invoke-Compose ps -q $Service 2> $null)[0]
    return [bool]($Id -and ((docker inspect -f '{{.State.Running}}' $Id 2> $null) -eq 'true'))
}

function Invoke-InContainers {
    $Terminal = @()
    if ([Console]::IsInputRedirected -or [Console]::IsOutputRedirected) { $Terminal = @('-T') }
    if (Test-Running sync-service) {
        Invoke-Compose exec @Terminal sync-service s3-sync @Words
        return
    }
    # What the service depends on is started with it, and left alone where it runs.
    $Alone = @()
    if (Test-Running mock-api) { $Alone = @('--no-deps') }
    Invoke-Compose run --rm @Terminal @Alone sync-service @Words
}

function Invoke-InVenv {
    $Python = @('.venv/Scripts/python.exe', '.venv/bin/python') | ForEach-Object { Join-Path $Root $_ } |
        Where-Object { Test-Path $_ } | Select-Object -First 1
    if (-not $Python) {
        Write-Message 'There is no .venv. Make it: python -m venv .venv; then its python -m pip install --require-hashes -r requirements.txt'
        $global:LASTEXITCODE = 2
        return
    }
    # It gives the stack's settings to that process alone: here they would stay in the session.
    & $Python -m scripts.local_stack run sync_service.main @Words
}

if ($Words[0] -in '-h', '--help') {
    Get-Content $PSCommandPath | Select-Object -First 9 | ForEach-Object { $_ -replace '^# ?', '' }
    exit 0
}
if ($env:USE_DOCKER -and $env:USE_DOCKER -notin '0', 'false', 'no', '1', 'true', 'yes') {
    Write-Message "USE_DOCKER=${env:USE_DOCKER}: expected 1 or 0"
    exit 2
}
$Compose = @()
if ($env:USE_DOCKER -notin '0', 'false', 'no') { $Compose = @(Get-ComposeCommand) }
if ($env:USE_DOCKER -in '1', 'true', 'yes' -and $Compose.Count -eq 0) {
    Write-Message 'USE_DOCKER is set, but there is no docker compose'
    exit 1
}
$InContainers = $Compose.Count -gt 0 -and ($env:USE_DOCKER -or (Test-Engine))
Push-Location $Root
try {
    if ($InContainers) { Invoke-InContainers } else { Invoke-InVenv }
    $Code = $LASTEXITCODE
} finally {
    Pop-Location
}
exit $Code
