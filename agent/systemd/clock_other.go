//go:build !linux

package systemd

// Reloading are the lines that say that a configuration is read again. READY=1 ends that.
func Reloading() []string { return []string{"RELOADING=1"} }
