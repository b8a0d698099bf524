//go:build !unix

package config

func readOnly(string) bool { return false }
