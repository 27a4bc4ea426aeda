// Package conf reads the YAML of a motan-go agent and answers checked, defaulted structs that know where in the
// files they come from.
//
// It reads a single file ([Load] with a file's path, or [Parse] with its bytes) or a folder of files that are merged
// (basic.yaml, applications, pools, services, http), fills in placeholders, applies the environment and the flags, and
// checks everything that can be checked without the network. It opens nothing but those files, starts nothing and
// watches nothing: the agent package makes objects from a [Config].
//
// The failure that it prevents is the silent one: a misspelt key, a dangling registry, a quoted port or two listeners
// on one port is reported with file, line, column and the nearest known key before anything is started, all at once.
package conf
