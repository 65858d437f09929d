// A stand-in for calico-node: it reads Calico's pools and Felix' configuration and writes the annotations that
// calico-node would write on its node. It moves no packet and speaks no BGP, and its own annotation says so.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	prefix = "projectcalico.org/"
	calico = "/apis/projectcalico.org/v3/"
	mark   = "cnilab.io/calico-stand-in"
	every  = time.Second
)

type server struct {
	url, folder string
	client      *http.Client
}

// found is what is read of any object: the fields that decide, and those of a node.
type found struct {
	Items []found
	Spec  struct {
		CIDR, IPIPMode, VXLANMode, PodCIDR string
		Disabled, WireguardEnabled         bool
	}
	Metadata struct{ Annotations map[string]string }
}

func main() {
	node, folder := os.Getenv("NODE_NAME"), os.Getenv("TOKEN_FOLDER")
	api, err := connect(folder)
	if err != nil || node == "" {
		fmt.Fprintln(os.Stderr, "calico-stand-in: NODE_NAME, TOKEN_FOLDER and an API server are needed:", err)
		os.Exit(1)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	for tick := time.NewTicker(every); ; {
		if err := api.announce(node, os.Getenv("NODE_IP")); err != nil {
			fmt.Fprintln(os.Stderr, "calico-stand-in:", err)
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

func connect(folder string) (*server, error) {
	authority, err := os.ReadFile(folder + "/ca.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	return &server{"https://" + host, folder, client}, nil
}

// announce compares what the node says with what it should say and patches the difference.
func (s *server) announce(name, ip string) error {
	var node, pools, felix found
	if err := s.call("GET", "/api/v1/nodes/"+name, nil, &node); err != nil {
		return err
	}
	if err := s.call("GET", calico+"ippools", nil, &pools); err != nil {
		return err
	}
	if err := s.call("GET", calico+"felixconfigurations/default", nil, &felix); err != nil {
		return err
	}
	change := map[string]any{}
	for key, value := range wanted(name, ip, node.Spec.PodCIDR, pools, felix) {
		told, there := node.Metadata.Annotations[key]
		if value == "" && there {
			change[key] = nil
		} else if value != "" && told != value {
			change[key] = value
		}
	}
	if len(change) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": change}})
	if err != nil {
		return err
	}
	return s.call("PATCH", "/api/v1/nodes/"+name, body, nil)
}

// wanted returns each annotation's value, empty for one that should not be there.
func wanted(name, ip, podCIDR string, pools, felix found) map[string]string {
	tunnel, _, _ := strings.Cut(podCIDR, "/")
	key := sha256.Sum256([]byte("calico-stand-in " + name))
	said := map[string]string{mark: "writes annotations, moves no packet", prefix + "IPv4Address": ip + "/24"}
	said[prefix+"IPv4IPIPTunnelAddr"], said[prefix+"IPv4VXLANTunnelAddr"] = "", ""
	said[prefix+"IPv4WireguardInterfaceAddr"], said[prefix+"WireguardPublicKey"] = "", ""
	said[prefix+"VXLANTunnelMACAddr"] = ""
	for _, pool := range pools.Items {
		if pool.Spec.Disabled || strings.Contains(pool.Spec.CIDR, ":") {
			continue
		}
		if on(pool.Spec.IPIPMode) {
			said[prefix+"IPv4IPIPTunnelAddr"] = tunnel
		}
		if on(pool.Spec.VXLANMode) {
			mac := fmt.Sprintf("66:%x:%x:%x:%x:%x", key[0:1], key[1:2], key[2:3], key[3:4], key[4:5])
			maps.Copy(said, map[string]string{
				prefix + "IPv4VXLANTunnelAddr": tunnel, prefix + "VXLANTunnelMACAddr": mac})
		}
	}
	if felix.Spec.WireguardEnabled {
		said[prefix+"IPv4WireguardInterfaceAddr"] = tunnel
		said[prefix+"WireguardPublicKey"] = base64.StdEncoding.EncodeToString(key[:])
	}
	return said
}

func on(mode string) bool { return mode != "" && mode != "Never" }

// call asks the API server; an object that is not there is an empty one.
func (s *server) call(verb, path string, body []byte, into any) error {
	token, err := os.ReadFile(s.folder + "/token") // renewed by the kubelet
	if err != nil {
		return err
	}
	request, err := http.NewRequest(verb, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	request.Header.Set("Content-Type", "application/merge-patch+json")
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusNotFound:
		return nil
	case answer.StatusCode >= 400:
		return fmt.Errorf("%s %s: %s: %.200s", verb, path, answer.Status, data)
	case into == nil:
		return nil
	}
	return json.Unmarshal(data, into)
}
