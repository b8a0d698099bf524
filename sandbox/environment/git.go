package environment

import (
	"fmt"
	"strconv"
	"strings"
)

// maxConfig bounds how many entries of somebody else's are looked at.
const maxConfig = 1000

// git has addresses of GitHub that are for ssh, which cannot leave, mean the same
// repository over https. Git takes configuration from numbered variables.
func (l *list) git() {
	entries := sshAddresses()
	l.set(strconv.Itoa(len(entries)), gitCount)
	for n, address := range entries {
		l.set(gitKey, keyName(n))
		l.set(address, valueName(n))
	}
}

// sshAddresses are how addresses of GitHub for ssh begin.
func sshAddresses() []string {
	return []string{"git@github.com:", "ssh://git@github.com/", "ssh://git@ssh.github.com:443/"}
}

const (
	gitKey   = "url.https://github.com/.insteadOf"
	gitCount = "GIT_CONFIG_COUNT"
)

func keyName(n int) string   { return fmt.Sprintf("GIT_CONFIG_KEY_%d", n) }
func valueName(n int) string { return fmt.Sprintf("GIT_CONFIG_VALUE_%d", n) }

// Composes says whether the variable is one of those by which git is configured, to
// which New adds and which it does not replace.
func Composes(name string) bool {
	return name == gitCount || strings.HasPrefix(name, "GIT_CONFIG_KEY_") || strings.HasPrefix(name, "GIT_CONFIG_VALUE_")
}

// Compose puts what the variables configure git with behind what getenv's
// environment configures it with, so that both count. What stands there already is not
// added again.
func Compose(variables []Variable, getenv func(string) string) []Variable {
	count, err := strconv.Atoi(getenv(gitCount))
	if err != nil || count <= 0 || count > maxConfig {
		return variables
	}
	there := map[string]bool{}
	for n := range count {
		there[getenv(keyName(n))+"="+getenv(valueName(n))] = true
	}
	values := map[string]string{}
	var composed []Variable
	for _, v := range variables {
		if Composes(v.Name) {
			values[v.Name] = v.Value
		} else {
			composed = append(composed, v)
		}
	}
	ours, _ := strconv.Atoi(values[gitCount])
	l := list(composed)
	for n := range min(ours, maxConfig) {
		key, value := values[keyName(n)], values[valueName(n)]
		if there[key+"="+value] {
			continue
		}
		l.set(key, keyName(count))
		l.set(value, valueName(count))
		count++
	}
	l.set(strconv.Itoa(count), gitCount)
	return l
}
