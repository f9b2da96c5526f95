"""The Huzhou card front, 湖州交通一卡通通用充值接口规范 V1.1.1."""
