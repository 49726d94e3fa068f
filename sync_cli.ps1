# The commands of the S3 Sync Service: in the Compose stack where an engine answers, else in the local virtual environment.
#
#   .\sync_cli.ps1 COMMAND [ARGUMENT...]
#
# initial-sync incremental-sync daemon status test plan scan check explain retry-failed approve-deletes runs config doctor demo
# help lists them with what they do. Exit codes are the service's own. $env:USE_DOCKER = '0' or '1' decides instead of looking
# for an engine.

# There is no param block, so that nothing of a command line is taken for a parameter of this script.
$Words = @($args)
if ($Words.Count -eq 0) { $Words = @('help') }
$Root = $PSScriptRoot

function Test-Docker {
    if ($env:USE_DOCKER -in '0', 'false', 'no') { return $false }
    if ($env:USE_DOCKER -in '1', 'true', 'yes') { return $true }
    if (-not (Get-Command docker -ErrorAction SilentlyContinue)) { return $false }
    docker info *> $null
    return $LASTEXITCODE -eq 0
}

function Get-ComposeCommand {
    docker compose version *> $null
    if ($LASTEXITCODE -eq 0) { return @('docker', 'compose') }
    return @('docker-compose')
}

function Invoke-Compose {
    $Command = @(Get-ComposeCommand) + $args
    $Rest = @($Command | Select-Object -Skip 1)
    & $Command[0] @Rest
}

function Invoke-InContainers {
    $Terminal = @()
    if ([Console]::IsInputRedirected -or [Console]::IsOutputRedirected) { $Terminal = @('-T') }
    $Id = @(Invoke-Compose ps -q sync-service 2> $null)[0]
    $Runs = $Id -and ((docker inspect -f '{{.State.Running}}' $Id 2> $null) -eq 'true')
    if ($Runs) { Invoke-Compose exec @Terminal sync-service s3-sync @Words }
    else { Invoke-Compose run --rm @Terminal sync-service @Words }
}

function Import-StackSettings {
    $File = Join-Path $Root 'data/local/stack.env'
    if (-not (Test-Path $File)) { return }
    foreach ($Line in Get-Content $File) {
        $Name, $Value = $Line -split '=', 2
        Set-Item "env:$Name" $Value.Trim("'")
    }
}

function Invoke-InVenv {
    $Python = @('.venv/Scripts/python.exe', '.venv/bin/python') | ForEach-Object { Join-Path $Root $_ } |
        Where-Object { Test-Path $_ } | Select-Object -First 1
    if (-not $Python) {
        [Console]::Error.WriteLine('There is no .venv. Make it: python -m venv .venv; then its python -m pip install --require-hashes -r requirements.txt')
        $global:LASTEXITCODE = 2
        return
    }
    Import-StackSettings
    & $Python -m sync_service.main @Words
}

if ($Words[0] -in '-h', '--help') {
    Get-Content $PSCommandPath | Select-Object -First 7 | ForEach-Object { $_ -replace '^# ?', '' }
    exit 0
}
Push-Location $Root
try {
    if (Test-Docker) { Invoke-InContainers } else { Invoke-InVenv }
    $Code = $LASTEXITCODE
} finally {
    Pop-Location
}
exit $Code
