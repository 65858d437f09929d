"""What each mode of the catalogue does, in Chinese: one plain sentence (:mod:`cnilab.modes` has the English one)."""

from __future__ import annotations

#: Mode -> what it does.
ABOUT: dict[str, str] = {
    "host": "没有 pod 网络：程序直接使用节点自己的地址。",
    "docker-bridge": "每台主机上的容器接在私有网桥上，经发布的端口和 NAT 访问，与 docker-compose 相同。",
    "flannel-udp": "每个数据包都拷贝给用户态代理，再用 UDP 发送；已弃用，只为没有 VXLAN 的内核保留。",
    "flannel-vxlan": "所有节点之间使用内核 VXLAN，是 flannel 和 k3s 的默认模式。",
    "flannel-vxlan-directrouting": "去往同一网络的节点走直接路由，去往其他节点走 VXLAN；各处的 MTU 都按 VXLAN 设置。",
    "flannel-host-gw": "以对端节点为网关的直接路由：没有额外头部，但所有节点必须同在一个二层网络。",
    "flannel-ipip": "所有节点之间使用 IP-in-IP：头部 20 字节，只支持 IPv4 单播。",
    "flannel-wireguard": "所有节点之间使用加密的 WireGuard 隧道（即 k3s 的 wireguard-native）。",
    "calico-ipip": "节点之间的所有流量都用 IP-in-IP，路由由 BGP 传播。",
    "calico-ipip-crosssubnet": "子网内是直接的 BGP 路由，跨子网用 IP-in-IP：即 Calico 的 ipip-bgp 混合模式。",
    "calico-vxlan": "所有节点之间使用内核 VXLAN；路由由 Felix 写入，不需要 BGP。",
    "calico-vxlan-crosssubnet": "子网内走直接路由，跨子网用 VXLAN。",
    "calico-bgp-mesh": "没有额外头部；节点用 BGP 互相通告自己的 pod；子网之间的路由器也必须知道这些路由。",
    "calico-bgp-rr": "不封装；节点与路由反射器建立会话，彼此之间不建立。数据路径与全互联相同。",
    "calico-wireguard": "在普通的 Calico 之上，用策略路由规则选择加密的 WireGuard 隧道。",
}
