package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"sallyport/services/aws/sigv4"
)

var (
	urlOf     = regexp.MustCompile(`^https://([^/]+)(/[a-z0-9]+)?`)
	parameter = regexp.MustCompile(`\{[^}]*\}`)
)

// readHosts returns the names that a service has before the region and the domain, as
// its endpoint rules give them: "bedrock-runtime", "api.ecr", "*.ddb". A star is an
// account's own part. Variants for FIPS are left out: the resolver drops the word. Base
// is what all of the service's paths begin with.
func readHosts(file, prefix string) (names []string, base string, err error) {
	hosts := map[string]bool{prefix: true}
	var rules any
	if err := readJSON(file, &rules); err != nil {
		if os.IsNotExist(err) {
			return []string{prefix}, "", nil
		}
		return nil, "", err
	}
	walkURLs(rules, func(url string) {
		m := urlOf.FindStringSubmatch(url)
		if m == nil {
			return
		}
		if m[2] != "" {
			base = m[2]
		}
		if name, ok := nameOf(m[1]); ok {
			hosts[name] = true
		}
	})
	return slices.Sorted(maps.Keys(hosts)), base, nil
}

func walkURLs(node any, take func(string)) {
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			if text, ok := value.(string); ok && key == "url" {
				take(text)
				continue
			}
			walkURLs(value, take)
		}
	case []any:
		for _, value := range n {
			walkURLs(value, take)
		}
	}
}

var regionLabel = regexp.MustCompile(`^([a-z]{2,4}-)([a-z]+-)+[1-9]$`)

// nameOf cuts "api.ecr-fips.{Region}.{PartitionResult#dnsSuffix}" to "api.ecr".
func nameOf(host string) (string, bool) {
	var kept []string
	inDomain := false
	for label := range strings.SplitSeq(host, ".") {
		switch {
		case strings.Contains(label, "dnsSuffix"), strings.Contains(label, "DnsSuffix"), strings.Contains(label, "url#authority"):
			inDomain = true
		case label == "{Region}", strings.HasSuffix(label, "egion}"), regionLabel.MatchString(label),
			label == "dualstack", label == "global", label == "us-gov":
		case parameter.MatchString(label) && parameter.FindString(label) != label:
			return "", false // a part of a label; see hosts.txt
		case parameter.MatchString(label):
			kept = append(kept, "*")
		default:
			kept = append(kept, strings.TrimSuffix(label, "-fips"))
		}
	}
	whole := strings.Join(kept, ".")
	name := withoutDomain(whole)
	// What is in none of AWS's domains is not taken for AWS.
	return name, strings.Trim(name, "*.") != "" && (inDomain || name != whole)
}

// withoutDomain cuts the domain of any partition.
func withoutDomain(name string) string {
	longest := ""
	for _, partition := range []string{"aws", "aws-cn", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"} {
		for _, domain := range sigv4.DomainsOf(partition) {
			if strings.HasSuffix(name, domain) && len(domain) > len(longest) {
				longest = domain
			}
		}
	}
	return strings.TrimSuffix(name, longest)
}

// withPrefixes adds the forms that operations put before the host: "data-{x}." and
// "{AccountId}.".
func withPrefixes(hosts []string, prefixes map[string]bool) []string {
	all := map[string]bool{}
	for _, host := range hosts {
		for prefix := range prefixes {
			all[parameter.ReplaceAllString(prefix, "*")+host] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}
