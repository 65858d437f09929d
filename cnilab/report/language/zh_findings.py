"""What is found when a run is looked over, and what helps, in Chinese; the facts are :mod:`cnilab.findings`'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cnilab.report.language.base import Words
from cnilab.report.language.zh_remarks import in_words


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _moved(what: Callable[[float], str]) -> Callable[..., str]:
    return lambda series, estimate, p: f"{series}：{what(estimate)}（p = {p:.3f}）"


def _level_drifts(metric: str, shares: Sequence[tuple[str, str, float]]) -> str:
    modes = "、".join(f"{mode} {_percent(share)}（{placement}）" for mode, placement, share in shares)
    return f"{metric} 从一次测试的前三分之一到后三分之一变化超过十分之一，这样的测试所占比例：{modes}"


def _mtu_as_shipped(mtus: Sequence[tuple[int, Sequence[str]]]) -> str:
    each = "；".join(f"{mtu} B：{'、'.join(modes)}" for mtu, modes in mtus)
    return f"各模式使用自己出厂时的 MTU（{each}）；差异的一部分可能仅由此而来"


def _setting_differs(
    setting: str, value: str, usual: str, places: Sequence[Sequence[str]], deployments: int, of: int
) -> str:
    where = "以及 ".join(f"{place}（{'、'.join(ends)}）" if ends else place for place, *ends in places)
    return (
        f"{setting} 在 {where} 为 {value}，其他地方为 {usual}（涉及该模式 {of} 次部署中的 {deployments} 次）："
        "差异的一部分可能仅由此而来"
    )


def _not_proved(deployments: Sequence[str]) -> str:
    return f"{len(deployments)} 次部署没有验证（{'、'.join(deployments[:3])}……）"


def _noted(note: str, deployments: int) -> str:
    return f"{note}（{deployments} 次部署）" if deployments > 1 else note


_CAUSES = {
    "foreign_cpu": "其他进程",
    "steal": "同一宿主机上的其他虚拟机",
    "state_changed": "机器状态的变化",
}


def _disturbed(
    disturbed: int, of: int, again: int, stayed: int, causes: Sequence[str], by: Sequence[str]
) -> str:
    what = "和".join(_CAUSES.get(cause, cause) for cause in causes)
    named = f"（主要是 {'、'.join(by)}）" if by else ""
    left = f"{stayed} 次始终受到干扰" if stayed else "每次都得到了不受干扰的结果"
    return f"{of} 次试验中有 {disturbed} 次受到{what}{named}的干扰；{again} 次重新测量，{left}"


def _states(centres_s: Sequence[float], shares: Sequence[float]) -> str:
    each = "，".join(f"{_percent(share)} 的试验为 {1e6 * c:.1f} µs" for c, share in zip(centres_s, shares))
    return (
        f"机器处于 {len(centres_s)} 种状态，由两个 CPU 之间的唤醒往返时间区分（{each}）；模式在各状态之内比较"
    )


FINDINGS: Mapping[str, Words] = {
    # what is missing
    "no_way_by_design": "{why}；这是该模式的性质，不是错误（{trials} 次试验）",
    "trials_ended": "{of} 次试验中有 {trials} 次以 {status} 结束：{why}",
    "bench_failed_trials": (
        "{of} 次试验中有 {trials} 次因测试台故障而没有数值，这不说明模式本身的任何问题：{why}"
    ),
    "stopped_as_declared": "按事先声明的规则在第 {block} 个区组之前停止：{rule}",
    "trials_absent": "计划的 {of} 次试验中有 {missing} 次没有进行（区组 {first} 至 {last}）",
    "not_planned": "计划之外的一次试验",
    "planned_otherwise": "实际为 {was}，计划为 {planned}",
    "out_of_order": "{of} 次试验中有 {trials} 次没有按计划的顺序进行",
    "receiver_silent": "{trials} 次试验缺少接收端的计数；没有用发送端的计数代替",
    "remark": lambda trials, remark: f"{trials} 次试验：{in_words(remark)}",
    "proof_does_not_hold": "{deployment}：{why}",
    "not_proved": _not_proved,
    "noted": _noted,
    "study_edited": "测试开始后研究定义被修改：{key}：声明为 {declared}，现为 {now}",
    "raw_bytes_altered": "{why}；该试验计为失败",
    # whether both sides had the same conditions
    "versions_vary": lambda versions: f"工具版本不一致：{'、'.join(versions)}",
    "implementations_vary": lambda kernel_paths: f"由不同的实现承载：{'、'.join(kernel_paths)}",
    "setting_varies": lambda setting, values: f"{setting.replace('_', ' ')} 不一致：{'、'.join(values)}",
    "setting_differs": _setting_differs,
    "settings_not_recorded": (
        "{of} 次部署中有 {deployments} 次没有记录卸载、接收包导向、套接字缓冲区和拥塞控制；"
        "这些设置在那里是否一致无从得知"
    ),
    "mtu_as_shipped": _mtu_as_shipped,
    "substitute_carried": "它的数据包由替代实现承载：{how}",
    "core_full": lambda modes: f"{'、'.join(modes)} 有一个 CPU 核被占满：有效吞吐量受限于 CPU，而不是链路",
    "tail_thin": "往返时延的 {stat}：最少的一次试验只有 {requests:.0f} 个请求支撑，需要 {needed:.0f} 个",
    # whether the bench was still
    "level_drifts": _level_drifts,
    "steadiness_unknown": "{of} 个序列中有 {series} 个的测试是否平稳无从得知：一次测试里的时间段太少",
    "drift": _moved(lambda slope: f"每个区组漂移 {100 * slope:+.2g} %"),
    "neighbours_alike": _moved(lambda r: f"相邻区组彼此相似（r = {r:+.2f}）"),
    "step": _moved(lambda last: f"第 {last + 1:.0f} 个值之后出现台阶"),
    "position_matters": _moved(lambda first: f"区组中的第一个位置偏离 {100 * first:+.2g} %"),
    "movement_checked": (
        "对漂移、台阶、位置和残留效应共做了 {checks} 项检查；{flagged} 项报警，纯属偶然时预期 {by_chance:.2g} 项；"
        "在这样的区组数下，小的效应可能被漏掉"
    ),
    "movement_unknown": "漂移、台阶、位置和残留效应无从得知：完整的区组不足 {blocks} 个",
    "trials_disturbed": _disturbed,
    "machine_states": _states,
    "no_control": "没有 A/A 对照：测试台自身的噪声无从得知",
    "baseline_differs": "{series}：基线与它自己出现差异",
    "margin_out_of_reach": lambda series: (
        f"等价界限比 A/A 区间还窄，因此对 {'、'.join(series)} 无法得出“相同”的结论"
    ),
    # what helps
    "remedy.aa": "在研究定义中写 aa: true",
    "remedy.compare_cpu": "同时比较 cpu_s_per_byte",
    "remedy.doctor": "`cnilab doctor` 会说明缺少什么",
    "remedy.duration": "duration_s 设为 {seconds:.2g} 或更长",
    "remedy.kernel_with_device": "换用带有该设备的内核",
    "remedy.longer_trials": "加长 omit_s 和 duration_s",
    "remedy.more_precision": "更多区组、更长的试验，或事先声明更宽的等价界限",
    "remedy.mss_both": "mss: both",
    "remedy.new_run": "声明的内容在 manifest.json 中；换了条件就是一次新的测试",
    "remedy.one_version": "用同一版本重新测试",
    "remedy.put_back": "把记录的文件放回原处",
    "remedy.read_stderr": "查看这些试验的 raw/<trial>/client.err",
    "remedy.quiet_machine": "结束其他程序，再重新测试",
    "remedy.resume": "cnilab study {run}/study.yaml -o {run} --resume",
    "remedy.resumed_run": "续跑的测试会这样；否则不要相信它",
    "remedy.run_again": "等测试台恢复正常后增加区组",
    "remedy.set_alike": "把两边设成一样，重新测试",
    "remedy.set_in_study": "在研究定义中设置",
    "remedy.within_blocks": "比较在区组之内进行，依然成立；绝对数值须谨慎看待",
}
