"""The report's single words, headings, heads of columns and captions, in Chinese.

The same keys with the same holes as :mod:`.en_words`; a test holds them against each other. What needs grammar is in
:mod:`.zh_results`; what facts, flags and checks say is in the catalogues beside this one.
"""

from __future__ import annotations

from cnilab.report.language import zh_growth
from cnilab.report.language.zh_choose import CHOOSE
from cnilab.report.language.zh_experiments import EXPERIMENTS

WORDS: dict[str, str] = {
    **zh_growth.WORDS,
    # ---- top
    "title": "每种 CNI 模式的代价",
    "notice.recorded": "这些是记录下来的数字，不是这台机器测得的。",
    "notice.no_lab": "实验环境在这里无法运行（{why}）；这是随附的记录样例，不是这台机器测得的。",
    "fonts.missing": (
        "图中文字为英文：这台机器上没有含中文字形的字体（缺{glyphs}等）。请执行{remedy}，然后重新生成报告。"
    ),
    "title.page": "每种 CNI 模式的代价：{name}",
    "contents": "本页内容",
    "skip": "跳到正文",
    "kicker.study": "研究{name}",
    "kicker.kernel": "Linux {version}",
    "testbed.lab": "网络命名空间实验环境",
    "testbed.kubernetes": "Kubernetes 集群",
    "testbed.replay": "回放的记录",
    "placement.same_node": "同一节点",
    "placement.same_subnet": "同一子网",
    "placement.cross_subnet": "跨子网",
    "placement.": "所有位置",
    "mark.ebpf": "eBPF",
    "mark.userspace": "用户态",
    "marked": "{mode}（{marks}）",
    "in_state": "在机器的状态{number}下{said}（{ends}）",
    "in_block": "（区组{blocks}）",
    "twin": "{mode}，复测（A/A）",
    "yes": "是",
    "no": "否",
    "nothing_compared": "无法进行任何比较：没有哪个区组同时有基线和另一模式的数值。",
    # ---- the answer
    "failed_in": "它在{blocks}中有{n}个失败{why}",
    "failed_in.baseline": "{base}在{blocks}中有{n}个失败{why}",
    "title.and_more": "{names}和另外{n}种模式",
    "title.in_place": "{title}（{where}）",
    "title.undecided": "各模式对{noun}的影响，这次测试尚无法判断",
    "lead.also": "{names}：相差也超出{margin}。",
    "lead.unclear": "有差异，但大小尚不明确：{parts}。",
    "lead.negligible": "有差异，但在{margin}之内，实际上相同：{parts}。",
    "lead.same": "{noun}与{base}相同，差距在{margin}之内：{parts}。",
    "lead.undecided": "尚无法判断：{parts}。",
    "lead.few": "区组太少，无法判断：{parts}。",
    "lead.absent": "没有可比较的数值：{parts}。",
    "lead.standins": "{names}：由内核自身设备的替代实现承载，因此速度不代表该设备；在下文中单列。",
    "lead.certainty": (
        "{Noun}（{test}）在{blocks}中比较；括号内的区间对全部{comparisons}同时成立，置信水平{level}。"
    ),
    "lead.in_place": "{where}的{name}",
    "lead.with": "{part}（{said}）",
    "strip.trials": "试验",
    "strip.trials.ended": "{trials}中有{ok}次得到数值{others}",
    "strip.trials.not_crossing": "，{n}次按设计不能跨子网",
    "strip.trials.failed": "，{n}次失败",
    "strip.trials.skipped": "，{n}次在此处无法运行",
    "strip.proofs": "线上验证",
    "strip.proofs.held": "{rows}项中有{held}项通过全部检查",
    "strip.proofs.none": "这次测试没有验证",
    "strip.machine": "机器",
    "strip.machine.load": "第一次试验前负载为{load}，共{cores}",
    "strip.machine.unread": "没有记录负载",
    "strip.baseline": "{base}与自己相比",
    "strip.baseline.unknown": "没有再测一次",
    "strip.findings": "存疑之处",
    "strip.findings.none": "没有发现",
    "strip.findings.weights": "严重{serious}项，{warnings}：见“局限与警告”",
    "answer.standins": "{where}，由替代实现承载：速度不可比",
    # ---- verdicts
    "verdict.different_material": "有差异",
    "verdict.different_size_unclear": "有差异，大小不明",
    "verdict.different_negligible": "实际上相同",
    "verdict.equivalent": "相同",
    "verdict.inconclusive": "尚无法判断",
    "verdict.insufficient_n": "区组太少",
    "verdict.not_comparable": "无法比较",
    "absent.does_not_cross_subnets": "不能跨子网",
    "absent.all_skipped": "此处无法运行",
    "absent.all_failed": "试验全部失败",
    "absent.no_rows": "没有测量",
    # ---- every mode against the baseline
    # ---- the price list
    "prices.title": "价目表",
    "prices.intro": (
        "每种模式与{base}相比的代价：比值及其对整张表同时成立的区间，下面是该模式自己的数值。≠ 有差异，"
        "≈ 有差异但实际上相同，= 在界限之内相同，? 尚无法判断。各模式按名次排列，名次是由事先声明的指标得出的名次区间。"
    ),
    "prices.caption": "{where}：由{tests}得出的与{base}之比；↑ 越高越好，↓ 越低越好",
    "prices.not_measured": "这次测试没有测量：{what}。",
    "prices.ceiling": "一个核已占满",
    "column.place": "名次",
    "column.wire": "每字节数据的线上字节数（按计算）↓",
    "table.title": "各模式与基线对照",
    "table.about": "各模式的{Noun}（{test}）与{base}对照",
    "table.simultaneous": "；比值的区间是对所有模式和位置同时成立的置信区间",
    "table.level": "（单个区间的置信水平为{level}）",
    "column.mode": "模式",
    "column.where": "位置",
    "column.ratio_to": "与{base}之比",
    "column.above": "更高的区组",
    "column.below": "更低的区组",
    "column.p_holm": "p（Holm）",
    "column.p_same": "p（等价）",
    "column.verdict": "结论",
    "column.with_unit": "{noun}（{unit}）",
    "column.ratio": "比值",
    "column.blocks": "区组数",
    "column.block": "区组",
    "n_of_m": "{n} / {m}",
    # ---- figures
    "figure.data": "本图的数据",
    "figure.data_caption": "图的数据：{caption}",
    "ratios.axis": "{noun}，{base} = 100 %",
    "ratios.caption": (
        "{Noun}（{test}）占{base}的百分比。标记：估计值；横线：对所有比较同时成立的置信区间；小点：单个区组；"
        "色带：{margin}的等价界限。"
    ),
    "ratios.hollow": "空心标记：数据包由替代实现承载。",
    "ratios.dotted": "虚线：区组太少，给不出界限。",
    "legend.hollow": "空心：替代实现",
    "steady.axis": "区组，按测量顺序",
    "steady.others": "其他模式",
    "steady.alt": "各区组的{Noun}，相对于各模式自己的中位数；{base}的变化范围：{span}。{found}",
    "steady.span": "中位数的{low} % 至{high} %",
    "steady.no_span": "无从得知",
    "steady.flagged": "主要比较的表中有{checks}发现了波动。",
    "steady.clear": "主要比较的表中没有检查发现波动。",
    "steady.caption": (
        "每个区组的{Noun}（{test}），各模式相对于自己的中位数。所有曲线一起移动，是机器本身的波动；"
        "区组设计把它从比较中消去。"
    ),
    "steady.where_block": "{where}，区组{block}",
    "disturbers.caption": (
        "试验之外机器在做什么：两个 CPU 之间的唤醒往返时间（不经过任何网络代码），"
        "以及不属于本次测试的进程占用的 CPU 时间"
    ),
    "disturbers.alt": (
        "机器参考值随时间的变化，范围为{low}–{high} µs，共{states}种状态；{trials}次试验中有{disturbed}次受到干扰。"
    ),
    "disturbers.reference": "CPU 之间的唤醒往返时间",
    "disturbers.foreign": "其他进程占用的 CPU 数",
    "disturbers.axis": "第一次试验后的分钟数",
    "disturbers.state": "状态{number}",
    "disturbers.no_state": "没有参考值",
    "disturbers.disturbed": "受干扰的试验",
    "disturbers.column.minute": "分钟",
    "disturbers.column.reference": "往返时间（µs）",
    "disturbers.column.state": "状态",
    "disturbers.column.foreign": "其他进程占用的 CPU 数",
    "disturbers.column.who": "进程",
    # ---- questions
    "question.in_test": "{question}（{test}）？",
    "question.declared": "这是在第一次试验之前就声明的问题；其中的{comparisons}一同受到多重比较保护。",
    "question.in_words": "用文字说明结果",
    "question.exploratory": "探索性结果：没有事先声明，只能当作线索，不能当作结论。",
    # ---- segment size
    **EXPERIMENTS,
    "segment.title": "是段长的影响，还是其他开销？",
    "segment.intro": (
        "头部使一个数据包里的有效载荷变少；封装和解封装本身也要花费工作。每条流在每次部署中测两遍：一遍用模式自己的段长，"
        "一遍用所有模式都适用的段长。两者之差与基线的同一差别相比，就是段长的影响；其余部分是相同 MSS 下的比值。"
    ),
    "segment.note": "探索性结果：这是对上面比较的拆分，本身不是比较。模式之间有没有差异，以结论为准。",
    "segment.caption": (
        "有效吞吐量（{test}）与{base}之比拆成两个因子：比值 = 自身段长 × 其余部分；区间逐个成立，置信水平{level}。"
        "推算：受字节数限制的链路扣除头部后剩下的部分"
    ),
    "segment.own": "自身段长",
    "segment.rest": "其余部分",
    "segment.rest_equal": "其余部分（相同 MSS）",
    "segment.header_bytes": "头部字节（推算）",
    "segment.headers": "头部（推算）",
    "segment.axis": "有效吞吐量的因子，{base} = 100 %",
    "segment.figure": (
        "模式自身的段长使{base}的有效吞吐量变为多少（上方横条），以及所有模式使用同一段长时的其余部分（下方横条）；"
        "细线：逐个成立的区间。圆环：受字节数限制的链路扣除头部后的推算值。"
    ),
    "segment.alt": (
        "与{base}的{comparisons}，有效吞吐量拆成两个因子。自身段长的估计值为{own}，其余部分为{rest}。"
    ),
    "from_to": "{low}至{high}",
    # ---- limits
    "limits.title": "局限与警告",
    "limits.lab": (
        "所有节点都是同一内核上的网络命名空间，链路是 veth 对：这里比较的是每条数据路径的 CPU 开销，"
        "没有网卡，没有网卡的卸载功能，也没有网线。比值只适用于这一内核和处理器；真实集群要另行测量。"
    ),
    "limits.nothing_found": "检查这次测试时没有发现任何问题。",
    "limits.steady": "机器平稳吗？",
    "limits.not_known": "无从得知：没有数值。",
    "limits.everything": "所做的全部比较（{n}项）",
    "everything.caption": "所做的全部比较",
    "column.test": "测试",
    "column.metric": "指标",
    "column.family": "族",
    "column.ratio_or_difference": "比值或差值",
    "column.notes": "备注",
    "family.primary": "主要",
    "family.exploratory": "探索性",
    "family.aa": "A/A",
    "findings.caption": "关于这次测试的{findings}",
    "column.weight": "轻重",
    "column.what": "内容",
    "column.helps": "对策",
    "severity.serious": "严重",
    "severity.warning": "警告",
    "severity.info": "提示",
    "the_whole_run": "整个测试",
    # ---- method
    "method.title": "方法",
    "method.design": "设计",
    "method.design.blocks": (
        "随机完全区组设计，共{blocks}。每个区组依次实施{deployments}，顺序由种子{seed}抽取，在第一次试验之前记录；"
        "每个区组都测量{base}{twin}。{stop}"
    ),
    "method.design.twin": "，并以盲标签再测一次",
    "method.design.stop": "测试在第{block}个区组之前停止，所依规则事先声明，只看精度。",
    "method.trials": "试验",
    "method.trials.each": "每次部署运行{tests}，位置为{places}；第一次试验之前先在线上验证。",
    "method.test": "{name}（{tool}，{seconds}秒{streams}）",
    "method.test.streams": "，{n}条流",
    "method.sample": "样本",
    "method.sample.cell": "样本是（区组，模式）单元，一个单元一个数。一次测试中的各秒从不当作样本。",
    "method.estimate": "估计",
    "method.estimate.ratio": "区组内与基线之比的 Hodges–Lehmann 估计，区间由符号秩检验精确得出，{over}。",
    "method.estimate.family": "对主要族的{n}项比较同时成立",
    "method.estimate.tables": "对每张表的各项比较同时成立",
    "method.judged": "检验",
    "method.judged.by": (
        "精确的 Wilcoxon 符号秩检验，按 Holm 方法在{alpha}水平上校正；“相同”须通过等价检验，即针对{margin}等价界限"
        "（{when}）的两个单侧检验。其余皆为探索性，整体用 Benjamini–Hochberg 方法控制。"
    ),
    "method.margin.before": "事先声明",
    "method.margin.after": "在数据产生之后选定",
    "method.verdicts": "结论",
    "method.verdicts.three": (
        "有差异、相同、尚无法判断是三种不同的回答，从不混用。失败也是结果；没有任何数值因其大小而被删除。"
    ),
    "trials.caption": "试验如何结束",
    "ended.ok": "正常",
    "ended.not_crossing": "不能跨子网",
    "ended.failed": "失败",
    "ended.timeout": "超时",
    "ended.bench_failed": "测试台出错",
    "ended.skipped": "跳过",
    # ---- machine
    "machine.title": "机器",
    "machine.caption": "第一次试验之前记录的机器情况",
    "column.fact": "项目",
    "column.value": "值",
    "machine.recorded_at": "记录时间（UTC）",
    "machine.kernel": "内核",
    "machine.system": "系统",
    "machine.architecture": "体系结构",
    "machine.cpu": "处理器",
    "machine.cpus_usable": "可用核数",
    "machine.memory_bytes": "内存",
    "machine.virtualised": "虚拟机",
    "machine.governor": "调频策略",
    "machine.load_1min": "测试前的负载（1 分钟）",
    "machine.congestion_control_default": "拥塞控制，机器默认",
    "machine.congestion_controls": "可用的拥塞控制",
    "machine.rmem_max_bytes": "最大接收缓冲区",
    "machine.wmem_max_bytes": "最大发送缓冲区",
    "machine.rps_default": "接收包导向，默认",
    "machine.root": "以 root 运行",
    "machine.python": "Python",
    "machine.unread": "无法读取",
    "machine.absent": "没有：{names}",
    "machine.congestion_control": "每次试验的拥塞控制",
    "machine.congestion_control.default": "机器的默认值",
    "machine.pinned": "客户端与服务端绑核",
    "machine.pinned.yes": "各占一个核",
    "machine.settings": "两端的设置",
    "machine.settings.none": "没有记录",
    "machine.settings.read": "{settings}（读自{m}次有验证的部署中的{n}次）",
    "or": " 或 ",
    # ---- proof
    "proof.title": "如何验证各模式",
    "proof.none": "这次测试中没有验证：模式是否生效只能依据它们的标签。",
    "proof.held": "取得任何数值之前，先在底层网络上查看了{deployments}；{rows}中有{held}行通过了全部检查。",
    "proof.substitute": "{mode}：{how}。",
    "proof.departure": "实验环境与原版的不同之处：{departures}。",
    # ---- where the lab leaves the original of a mode
    "departure.ebpf_ipip": "内核没有 ipip 设备时，用一个同名的 TUN，由 eBPF 完成封装",
    "departure.wireguard_go": (
        "内核没有 wireguard 设备时，用用户态的 wireguard-go，其 TUN 的队列保持 TUN 自己的 500"
    ),
    "departure.felix_rules": "Felix 的规则取自 v3.28.5；更新的版本不跟踪 VXLAN 的外层数据包",
    "departure.bird2": "用 Debian 的 BIRD 2 代替 Calico 的 BIRD 1.6 分支；它留下的路由相同",
    "departure.second_table": "隧道的下一跳来自 BIRD 的第二张路由表，而不是该分支的 krt_tunnel",
    "departure.compose_bridge": "在 same_node 中，容器经网桥通信，与同一个 compose 文件中的服务一样",
    "departure.one_network": "只有一个网络，因此没有隔离链；没有 docker-proxy，主机之间的数据包不经过它",
    "proofs.caption": "取得任何数值之前在底层网络上看到的情况",
    "outer.stays_on_the_node": "不离开节点",
    "outer.not_captured": "没有抓包",
    "outer.plain": "不封装",
    "outer.ipip_(protocol_4)": "ipip（协议号 4）",
    "column.on_the_wire": "线上形式",
    "column.longest": "最长数据包（B）",
    "column.ttl": "TTL（初值 64）",
    "column.deployments": "部署数",
    "column.checks": "通过的检查",
    "column.said": "说明",
    # ---- path
    "path.title": "一个数据包的路径",
    "path.caption": (
        "{where}：一个{length} B（含 IP 头部）的数据包，它在经过的每个设备上都被看到，并标出在那里的长度。"
        "粗框：被封装在另一个数据包中。节点之间线路上的端口略去。"
    ),
    "path.figure": "{mode}：一个{length} B 的数据包，从{client}到{server}{fate}",
    "carrier.ipip": "IP-in-IP",
    "carrier.vxlan": "VXLAN",
    "carrier.udp": "UDP",
    "carrier.wireguard": "WireGuard",
    "carrier.": "头部",
    "path.added": "加上{n} B 的{carrier}",
    "path.removed": "去掉{n} B 的{carrier}",
    "path.plus": "+{n} B {carrier}",
    "path.minus": "−{n} B {carrier}",
    # ---- reproduce
    "reproduce.title": "如何重现",
    "reproduce.commands": (
        "两条命令：第一条安装所需的一切并运行默认研究；第二条按运行目录中的文件，以同样的顺序把这项研究再跑一遍。"
    ),
    "reproduce.run": "运行",
    "reproduce.seed": "种子",
    "reproduce.plan_hash": "试验顺序，SHA-256",
    "reproduce.study_hash": "研究定义，SHA-256",
    "reproduce.raw": "原始文件",
    "reproduce.again": "在运行目录中。除{raw}和{proof}之外，一切都可以用{command}重新生成。",
    "reproduce.folders": "{folders}，每次试验一个：工具打印的每一个字节",
    "reproduce.files": "{files}，每次部署一个",
    # ---- published figures
    "published.title": "他人公布的数字",
    "published.intro": (
        "他人对相同模式公布的数字，各有其条件：不同的机器、内核、链路和 MTU。"
        "它们只供对照，这里没有任何结论以它们为准。"
    ),
    "published.caption": "公布的数字，以及本次测试中同样两种模式在节点之间的比值",
    "published.ratio": "{base}的{ratio}",
    "published.by": "公布者：{source}",
    "ratios.published": "线下方的短竖线：他人公布的数字，各有其条件。",
    "legend.published": "他人公布",
    "column.published": "公布值",
    "column.published_ratio": "比值",
    "column.here": "本次测试",
    "column.conditions": "条件",
    "column.source": "出处",
    **CHOOSE,
}

#: What is counted: its measure word and noun.
COUNTED: dict[str, tuple[str]] = {
    **zh_growth.COUNTED,
    "block": ("个区组",),
    "randomised_block": ("个随机区组",),
    "mode": ("种模式",),
    "comparison": ("项比较",),
    "series": ("条线",),
    "deployment": ("次部署",),
    "finding": ("项发现",),
    "row": ("行",),
    "check": ("项检查",),
    "folder": ("个文件夹",),
    "file": ("个文件",),
    "warning": ("项警告",),
    "core": ("个核",),
    "trial": ("次试验",),
    "such_table": ("张这样的表",),
}
