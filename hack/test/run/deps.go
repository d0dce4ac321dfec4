package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"
)

// aptTimeout bounds one call of apt-get.
const aptTimeout = 20 * time.Minute

// policyFile is asked by Debian's packages whether their services may start
// when they are installed. Tests start servers of their own.
const policyFile = "/usr/sbin/policy-rc.d"

// policyMark tells our file from another one.
const policyMark = "# weft: no service is started while test packages are installed\n"

// packages are what tests and benchmarks need, by what they bring: the real
// servers, a browser, fonts for it, and a load generator. The local cluster installs its own.
func packages() []string {
	return []string{"postgresql", "redis-server", "chromium", "fonts-dejavu-core", "fonts-noto-color-emoji", "wrk"}
}

// installPackages installs what is missing.
func installPackages(ctx context.Context, out io.Writer) error {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		fmt.Fprintln(out, "deps: not a Debian machine; these must be installed: "+strings.Join(packages(), ", "))
		return nil //nolint:nilerr // no such program: not a Debian machine
	}
	missing := missingPackages(ctx, packages())
	if len(missing) == 0 {
		return nil
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("packages are missing; run as root: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	fmt.Fprintln(out, "deps: installing "+strings.Join(missing, ", ")+" …")
	if err := apt(ctx, out, "update", "-qq"); err != nil {
		return err
	}
	return quietly(func() error {
		return apt(ctx, out, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
	})
}

// missingPackages returns those that are not installed.
func missingPackages(ctx context.Context, names []string) []string {
	var missing []string
	for _, n := range names {
		status, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${db:Status-Status}", n).Output()
		if err != nil || string(status) != "installed" {
			missing = append(missing, n)
		}
	}
	return missing
}

// quietly runs do while services of new packages may not start, unless somebody
// else has a say in that already.
func quietly(do func() error) error {
	old, err := os.ReadFile(policyFile)
	switch {
	case err == nil && !bytes.Contains(old, []byte(policyMark)):
		return do()
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading %s: %w", policyFile, err)
	}
	script := "#!/bin/sh\n" + policyMark + "exit 101\n"
	if err := os.WriteFile(policyFile, []byte(script), 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", policyFile, err)
	}
	return errors.Join(do(), os.Remove(policyFile))
}

// apt calls apt-get; it waits for another one to end.
func apt(ctx context.Context, out io.Writer, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, aptTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=600"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var kept bytes.Buffer
	cmd.Stdout, cmd.Stderr = &kept, &kept
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(out, "%s\n", kept.Bytes())
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	return nil
}
