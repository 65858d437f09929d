"""The words of the chapters on experiments, in Chinese: a web server under load, replicas, rules of policies."""

from __future__ import annotations

EXPERIMENTS: dict[str, str] = {
    # ---- a web server under load
    "http.title": "应用能感觉到什么？",
    "http.intro": (
        "nginx 应答小请求。容量由闭环测得：每个连接一收到应答就发下一个请求。延迟在恒定速率下测得，"
        "速率是各处理自身容量的"
        "一个比例，并从请求应当发出的时刻起计。按时应答不足 98 % 的试验为饱和：那时的延迟只说明测了"
        "多久，因此没有延迟值。"
        "容量与延迟均为各区组的中位数；两者是否不同，以结论为准。"
    ),
    "http.capacity": "{best}最多每秒{high}个请求，{worst}最多{low}个。",
    "http.latency": "负载为自身容量的{load}时，请求延迟中位数为{p50}",
    "http.latency_p90": "负载为自身容量的{load}时，请求延迟中位数为{p50}，十分之一的请求超过{tail}",
    "http.latency_p99": "负载为自身容量的{load}时，请求延迟中位数为{p50}，百分之一的请求超过{tail}",
    "http.ceiling": "压测工具自身（经环回接口）可达每秒{rate}个请求；这里测得的最高容量是它的{share}。",
    "http.ceiling_near": (
        "压测工具自身（经环回接口）可达每秒{rate}个请求；这里测得的最高容量是它的{share}，因此最快"
        "的模式可能受限于压测工具，"
        "而不是网络。"
    ),
    "http.caption": "闭环下每秒请求数（{test}）、在其一定比例下的延迟，以及整机每请求 CPU 时间",
    "http.rate": "每秒请求数",
    "http.p50_at": "{load}负载时的中位数",
    "http.p90_at": "{load}负载时的 90 百分位",
    "http.p99_at": "{load}负载时的 99 百分位",
    "http.saturated": "饱和",
    "http.cpu": "每请求 CPU 时间",
    "http.axis": "每秒请求数（闭环）",
    "http.block": "一个区组",
    "http.median": "各区组的中位数",
    "http.limit": "压测工具自身（环回接口）",
    "http.figure": "nginx 每秒应答的请求数，每个区组一点。",
    "http.alt": "各处理的每秒请求数：中位数最高的是{best}（{high}），最低的是{worst}（{low}）。",
    # ---- replicas
    "replicas.title": "增加副本能胜过更快的模式吗？",
    "replicas.intro": (
        "每个副本是一个单进程的 nginx，位于同一个 ClusterIP 之后；kube-proxy 的规则为每个新连接选出一个副本。"
        "比较的是：副本"
        "最少时最慢的模式在副本最多时，与副本最少时最快的模式；区间以区组为样本。"
    ),
    "replicas.beat": "更多副本胜过更快的模式：{slow}用{most}个副本，应答量是{fast}用{least}个副本的{ratio}。",
    "replicas.beaten": "更多副本不能胜过更快的模式：{slow}用{most}个副本，应答量是{fast}用{least}个副本的{ratio}。",
    "replicas.no_faster": (
        "{least}个副本时看不出哪个模式更快：{slow}的应答量是{fast}的{alone}；"
        "{most}个副本时是其{ratio}。"
    ),
    "replicas.open": (
        "更多副本能否胜过更快的模式，还无法判断：{slow}用{most}个副本，应答量是{fast}用{least}个副本的{ratio}。"
    ),
    "replicas.cpu": "容量最高时（{mode}，{n}个副本）整机 CPU 忙碌{busy}：上限在 CPU，而不在网络。",
    "replicas.not_cpu": "容量最高时（{mode}，{n}个副本）整机 CPU 忙碌{busy}：上限不在 CPU。",
    "replicas.caption": "各副本数下的容量；比值以同一模式副本最少时为准，区间为{level}",
    "replicas.mode": "模式",
    "replicas.count": "副本数",
    "replicas.ratio": "与副本最少时之比",
    "replicas.latency": "延迟中位数",
    "replicas.busy": "CPU 忙碌",
    "replicas.one_node": "全在一个节点",
    "replicas.every_node": "轮流分布在各节点",
    "replicas.figure": "各副本数下每秒请求数；折线连接各区组的中位数。",
    "replicas.alt": (
        "各副本数下每秒请求数：中位数最高的是{best}（{n}个副本，{high}），最低的是{worst}（{m}个副"
        "本，{low}）。"
    ),
    # ---- rules of network policies
    "policy.title": "网络策略的代价是多少？",
    "policy.intro": (
        "服务端 pod 上有一条 NetworkPolicy，含所示条数的规则，写法与 Felix 相同；其中一条允许客户端"
        "，排在最后（之前每条都要"
        "比对）或最前。每个区组得出一个斜率（Theil–Sen，各水平按随机顺序测量），区间以区组为样本。"
        "已建立连接的数据包在策略"
        "之前就离开 pod 的链。"
    ),
    "policy.connect": "新建连接，{match}",
    "policy.exchange": "已建立连接上的一次请求与应答，{match}",
    "policy.last": "允许规则在最后",
    "policy.first": "允许规则在最前",
    "policy.adds": "每条规则增加{slope} ns（{low}至{high}）",
    "policy.takes": "每条规则减少{slope} ns（{low}至{high}）",
    "policy.none": "看不出规则的代价（{low}至{high} ns）",
    "policy.unbounded": "每条规则估计为{slope} ns；区组太少，没有区间",
    "policy.caption": "每增加一条规则的代价（ns），区间为{level}，以及超过{middle}条后斜率增加多少",
    "policy.slope": "每条规则 ns",
    "policy.bend": "斜率增加",
    "policy.at": "{rules}条规则",
    "policy.axis": "策略的规则数",
    "policy.cost": "µs",
    "policy.figure": "新建连接、已建立连接上一次往返的代价随规则数的变化；各区组的中位数。",
    "policy.alt": "代价随规则数的变化（{series}）：最陡的每条规则增加{most} ns，最平的{least} ns。",
    "policy.connect_short": "新建连接",
    "policy.exchange_short": "已建立的连接",
}
